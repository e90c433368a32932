"""Editors and judges behind two small base classes. No scorer, no run."""
