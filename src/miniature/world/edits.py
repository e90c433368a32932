"""Edits of the miniature world: two pictures and every text about them, from a category, a difficulty and a seed."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import numpy as np

from src.errors import ConfigError
from src.miniature.world.edits_causal import CAUSAL
from src.miniature.world.edits_environment import ENVIRONMENT
from src.miniature.world.edits_physical import PHYSICAL
from src.miniature.world.edits_referential import REFERENTIAL
from src.miniature.world.edits_social import SOCIAL
from src.miniature.world.phrasing import Draft, Rule, choose, fill
from src.miniature.world.render import render

CATEGORIES = ("物理", "环境", "社会", "因果", "指代")
DIFFICULTIES = ("easy", "medium", "hard")

_RULES: dict[str, dict[str, Rule]] = dict(
    zip(CATEGORIES, (PHYSICAL, ENVIRONMENT, SOCIAL, CAUSAL, REFERENTIAL), strict=True)
)
_MIN_CHANGED_PIXELS = 12
_MIN_CHANGE = 24
_MAX_ATTEMPTS = 20


@dataclass(frozen=True)
class MiniatureEdit:
    """One edit with its exact result.

    Attributes:
        category: One of CATEGORIES.
        difficulty: One of DIFFICULTIES: easy says what to draw, medium names the change, hard has to be inferred.
        family: Name of the edit rule.
        tags: What the edit is about.
        source: uint8 of shape (64, 64, 3).
        target: uint8 of shape (64, 64, 3), the exact result.
        instruction_en: What the user asks; implicit when hard.
        instruction_zh: The same in Chinese.
        explicit_en: The same edit said as what to draw; equals the instruction when easy.
        explicit_zh: The same in Chinese.
        description_en: Describes the source.
        description_zh: The same in Chinese.
        rationale_en: One sentence: why the target looks as it does.
        rationale_zh: The same in Chinese.
    """

    category: str
    difficulty: str
    family: str
    tags: tuple[str, ...]
    source: np.ndarray
    target: np.ndarray
    instruction_en: str
    instruction_zh: str
    explicit_en: str
    explicit_zh: str
    description_en: str
    description_zh: str
    rationale_en: str
    rationale_zh: str


def families(category: str) -> tuple[str, ...]:
    """Return the names of the edit rules of a category.

    Raises:
        ConfigError: The category is unknown.
    """
    _require(category, CATEGORIES, "category")
    return tuple(_RULES[category])


def make_edit(category: str, difficulty: str, seed: int, family: str | None = None) -> MiniatureEdit:
    """Make one edit.

    Args:
        category: One of CATEGORIES.
        difficulty: One of DIFFICULTIES.
        seed: Any whole number; the same arguments give the same edit on every machine.
        family: Name of an edit rule of the category; None lets the seed choose.

    Raises:
        ConfigError: The category, difficulty or family is unknown.
    """
    names = families(category)
    _require(difficulty, DIFFICULTIES, "difficulty")
    if family is None:
        family = names[_digest("family", category, difficulty, seed) % len(names)]
    _require(family, names, f"family of category {category}")
    rng = random.Random(_digest("edit", category, difficulty, family, seed))
    for _ in range(_MAX_ATTEMPTS):
        draft = _RULES[category][family](rng, difficulty)
        source, target = render(draft.source), render(draft.target)
        if _changed_pixels(source, target) >= _MIN_CHANGED_PIXELS:
            return _told(rng, draft, category, difficulty, family, source, target)
    raise AssertionError(f"rule {family} made {_MAX_ATTEMPTS} edits in a row that change nothing; fix the rule")


def _told(
    rng: random.Random,
    draft: Draft,
    category: str,
    difficulty: str,
    family: str,
    source: np.ndarray,
    target: np.ndarray,
) -> MiniatureEdit:
    """Put a drafted edit into words."""
    instruction = choose(rng, draft.texts.of(difficulty), draft.slots)
    explicit = instruction if difficulty == "easy" else choose(rng, draft.texts.easy, draft.slots)
    description = fill(draft.texts.description, draft.slots)
    rationale = fill(draft.texts.rationale, draft.slots)
    return MiniatureEdit(
        category=category,
        difficulty=difficulty,
        family=family,
        tags=draft.tags,
        source=source,
        target=target,
        instruction_en=instruction.en,
        instruction_zh=instruction.zh,
        explicit_en=explicit.en,
        explicit_zh=explicit.zh,
        description_en=description.en,
        description_zh=description.zh,
        rationale_en=rationale.en,
        rationale_zh=rationale.zh,
    )


def _changed_pixels(source: np.ndarray, target: np.ndarray) -> int:
    """Count the pixels of which some channel changes by more than 24 of 255."""
    return int((np.abs(source.astype(np.int16) - target).max(axis=2) > _MIN_CHANGE).sum())


def _digest(*parts: str | int) -> int:
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


def _require(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise ConfigError(f"unknown {what} {value!r} of the miniature world; choose one of {', '.join(allowed)}")
