"""What every client of a server needs: errors, bounded answers, adaptive limit, endpoints. No protocol."""
