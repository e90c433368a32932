"""A procedural world, and recipes for tiny models of the real architectures.

It may use all of `src`, and nothing outside it imports it: its oracle scorer is named by class path.
"""
