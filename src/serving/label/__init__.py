"""A local page on which people score edits or choose between two, blind; every answer is stored at once.

Statistics of the labels belong to `reporting/calibration`.
"""
