"""Scenes, edits and questions of the miniature world, drawn exactly. No model."""
