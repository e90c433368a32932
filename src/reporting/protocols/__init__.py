"""The tables of published protocols: aggregates as their benchmarks compute them, from frozen results alone."""
