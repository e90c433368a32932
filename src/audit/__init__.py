"""Label-free checks of a scorer: probes are judged, and their scores become one table of checks.

Nothing here scores or edits by itself.
"""
