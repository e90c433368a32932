"""Which families and wordings of the miniature world no model learns from; every recipe keeps to this one rule."""

from __future__ import annotations

from typing import Literal

from src.miniature.world.phrasing import Words

Wordings = Literal["training", "held_out", "any"]

_PHYSICAL: tuple[str, ...] = ("scale_empty", "shadow_direction", "hill_push")

_ENVIRONMENT: tuple[str, ...] = ("hour_life", "season_nature", "lake_signs")

_SOCIAL: tuple[str, ...] = ("light_urgent", "queue_kindness", "flag_news")

_CAUSAL: tuple[str, ...] = ("lamp_bulb", "domino_marble", "rope_flame")

_REFERENTIAL: tuple[str, ...] = ("row_count", "size_middle", "crowd_most")

HELD_OUT_FAMILIES: frozenset[str] = frozenset(_PHYSICAL + _ENVIRONMENT + _SOCIAL + _CAUSAL + _REFERENTIAL)
"""Families of which no model sees any text in training; their changes are taught by training families."""


def usable(templates: tuple[Words, ...], wordings: Wordings) -> tuple[Words, ...]:
    """Return the templates of one part: the last one of every tuple is held out, the others are for training."""
    return {"training": templates[:-1], "held_out": templates[-1:], "any": templates}[wordings]
