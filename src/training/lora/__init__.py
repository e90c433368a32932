"""Merging of an adapter into its base model, with proof that the result answers as both together.

Nothing here trains.
"""
