"""The training of a policy by GRPO on TRL, with the benchmark's own scorers as rewards; `train.py` is its story.

A scorer, an editor or a trainer of its own has no place here: those are `rewards`, `models` and TRL.
"""
