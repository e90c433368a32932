"""Samples, questions, verdicts: frozen data, and what reads it from files. No model, no run."""
