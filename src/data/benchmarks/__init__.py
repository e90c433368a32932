"""The official layouts of public benchmarks, one file a benchmark: rows of theirs in, fields of our items out."""
