"""One HTML page for runs, comparisons, leaderboards and training steps: plain data and one template.

Nothing here needs the network or computes a statistic.
"""
