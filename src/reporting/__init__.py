"""Frozen results to statistics to console, Markdown and JSON. Asks no model, reads no record."""
