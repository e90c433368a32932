"""One HTML page for runs, comparisons, leaderboards and training steps: plain data, one template, no network."""
