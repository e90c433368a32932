"""The output directory of a training and its record of edits, verdicts and completions, which processes may share.

Nothing here edits, judges or trains.
"""
