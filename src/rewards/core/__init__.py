"""What a scorer is, and what all scorers share that ask a judge.

A protocol, its prompts and its formula belong to `rewards/scorers`.
"""
