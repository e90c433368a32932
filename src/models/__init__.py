"""Editors and judges behind two small base classes.

A scorer or a run has no place here.
"""
