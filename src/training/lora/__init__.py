"""Adapters, merged and proven."""
