"""Emu3's original layout, in which EARL's checkpoints are published, made into that of transformers."""
