"""Scorers that a YAML names by `class_path`, one protocol a file."""
