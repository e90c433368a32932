"""Arithmetic of what a training holds on each GPU, done before anything loads.

Weights are never loaded here; a model's shape comes from its `config.json` alone.
"""
