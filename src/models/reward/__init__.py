"""Judges: their base class, what they share, and one class in each file of `implementations`.

Prompts and formulas belong to scorers; talking to a vision-language model is `models/vlm`'s business.
"""
