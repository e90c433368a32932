"""Converters from public formats to the formats of EditLoop, row by row.

Reading the formats of EditLoop is the business of `data/loader.py` and `data/questions.py`.
"""
