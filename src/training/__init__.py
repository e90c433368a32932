"""GRPO on TRL against the scorers of the benchmark: config, data, checks, the training itself."""
