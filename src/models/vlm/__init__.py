"""The vision-language model: a question goes in and a reply comes out, here or behind a server.

Verdicts, formulas and statistics have no place here.
"""
