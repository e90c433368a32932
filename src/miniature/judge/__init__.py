"""The miniature judge: its architecture, its training and its measurement.

Scenes and exact scores come from `miniature/world`; the judge runs as any judge of `models/reward`.
"""
