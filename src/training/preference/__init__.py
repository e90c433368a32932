"""A judge trained on preferences: Bradley–Terry on pairs of edits, a scalar head on a vision-language model.

`train.py` is its story; `trainer.py` is what TRL's `RewardTrainer` is given.
"""
