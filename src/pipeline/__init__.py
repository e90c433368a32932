"""One run of the benchmark: plan, stages (read, edit, store, judge), record and resume; `evaluation.py` is its story.

How an edit is scored, and what a report says, belong to `rewards` and `reporting`.
"""
