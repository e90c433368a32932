"""Editors that a YAML names by `class_path`."""
