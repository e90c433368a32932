"""Trackers, pages and curves of a training. Nothing here decides a number."""
