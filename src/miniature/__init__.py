"""A procedural world, and recipes for tiny models of the real architectures. Uses all of `src`; nothing uses it."""
