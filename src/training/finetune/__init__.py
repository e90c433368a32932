"""Supervised fine-tuning: a model learns to write given answers, by the cross-entropy of the answers' tokens alone.

`train.py` is its story; `token_edits.py` and `completions.py` are the two things that can be taught.
"""
