"""Samples, questions and verdicts as frozen data, and the readers that stream them from files.

Models and runs have no place here.
"""
