"""Editors that a YAML names by `class_path`, one class in each file.

What several of them share lives one folder up.
"""
