"""Trackers, pages and curves that show a training while it runs and afterwards.

Nothing here decides a number or stops a training.
"""
