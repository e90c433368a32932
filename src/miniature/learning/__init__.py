"""The proof that a policy learns what it was never taught: trainings by GRPO, measured beside the user's own words.

`python -m src.miniature.learning.prove` does all of it.
"""
