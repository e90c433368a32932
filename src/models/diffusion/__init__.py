"""Editors: their base class, what they share, and one class in each file of `implementations`.

Nothing here knows what is asked of a judge.
"""
