"""The five categories and their two names: data files have the Chinese one, and people may say either."""

from __future__ import annotations

ENGLISH = {"物理": "physical", "环境": "environment", "社会": "social", "因果": "causal", "指代": "referential"}
_CHINESE = {english: chinese for chinese, english in ENGLISH.items()}


def category_key(name: str) -> str:
    """Equal for all names of one category: the Chinese name where there is one, else the name whatever its case."""
    folded = name.strip().casefold()
    return _CHINESE.get(folded, folded)


def difficulty_key(name: str) -> str:
    """Equal for the same difficulty in upper and lower case."""
    return name.strip().casefold()


def category_label(name: str) -> str:
    """A category with its English name, if it has one: `因果 causal`."""
    english = ENGLISH.get(name)
    return f"{name} {english}" if english else name
