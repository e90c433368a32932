"""The miniature editor: architecture, training, measurement."""
