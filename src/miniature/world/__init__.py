"""Scenes, edits and questions of the miniature world, drawn exactly.

Models have no place here.
"""
