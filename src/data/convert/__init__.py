"""Converters from public formats to the formats of EditLoop, row by row; `src/data/loader.py` reads the latter."""
