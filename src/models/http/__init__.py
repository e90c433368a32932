"""What every client of a server needs: errors, retries, bounded answers, an adaptive limit, endpoints.

What is said to a server, its protocol, belongs to the client that says it.
"""
