"""Before and after on the benchmark, paired."""
