"""What a scorer is, and what those share that ask a judge. No protocol."""
