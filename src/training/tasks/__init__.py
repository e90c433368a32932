"""What a policy is asked, and what becomes of its text. One task a file."""
