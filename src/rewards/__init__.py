"""The way from a sample and its edit to a verdict, one and the same for evaluation and training.

How a model is asked over HTTP or loaded is `models`' business; rewards of TRL are joined in `training/grpo`.
"""
