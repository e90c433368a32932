"""The comparison of a policy before and after training, paired by sample.

Nothing here knows how a task reads or rewards completions, and nothing here trains.
"""
