"""Judges that a YAML names by `class_path`."""
