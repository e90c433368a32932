"""EditLoop: benchmark instruction-based image editors with judges, then train with the same scorers."""

__version__ = "0.1.0"

from src.published_names import answer_to_old_names

answer_to_old_names()
