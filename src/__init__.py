"""EditLoop: benchmark instruction-based image editors with judges, then train with the same scorers."""

__version__ = "0.1.0"
