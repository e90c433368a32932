"""What TRL is given: policy, settings, reward functions; and what keeps its processes together."""
