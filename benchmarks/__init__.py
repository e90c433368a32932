"""Speed and memory, measured by hand: each module runs as `python -m benchmarks.NAME`.

A benchmark prints a table and, as its last line, one JSON object {"name", "value", "unit", "goal", "holds"}.
"""
