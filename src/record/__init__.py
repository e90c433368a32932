"""The durable record of an output directory (samples, edits, verdicts), and the frozen results that are read from it.

Nothing here runs a stage, asks a model or computes a statistic.
"""
