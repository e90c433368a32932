"""Prompts for pictures of text alone: their knowledge, their graphs, and a reader of pictures."""
