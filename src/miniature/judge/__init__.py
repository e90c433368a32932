"""The miniature judge: architecture, training, measurement."""
