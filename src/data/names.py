"""Rules for texts of others that become names: categories name groups and folders, and every text must be storable."""

from __future__ import annotations

import re

MAX_NAME_BYTES = 150
"""Longer ids and categories do not fit into file names with a suffix on every file system."""
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""A part of a character class: control characters, line ends, and what turns the direction of writing."""
_UNSAFE_CATEGORY = re.compile(f"[{CONTROL}]")


def storable(text: str) -> str:
    """JSON may hold halves of surrogate pairs, which neither file names nor the record can."""
    return text.encode(errors="replace").decode()


def category_problem(category: str) -> str | None:
    """Why a text cannot be the name of a group and a folder."""
    if not category:
        return "is absent"
    if _UNSAFE_CATEGORY.search(category):
        return f"{category!r:.80} holds control characters"
    if len(category.encode()) > MAX_NAME_BYTES:
        return f"{category!r:.80} is over {MAX_NAME_BYTES} bytes long"
    return None
