"""Scorers that a YAML names by `class_path`, one protocol in each file.

What several of them share belongs to `rewards/core`; a scorer of the miniature world lives in `miniature`.
"""
