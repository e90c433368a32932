"""The miniature policy: its architecture, its supervised training and its measurement.

Reinforcement learning is done by `training`, as for any policy.
"""
