"""Edits of the miniature world: two pictures and every text about them, from a category, a difficulty and a seed."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

import numpy as np

from src.errors import ConfigError
from src.miniature.world.edits_causal import CAUSAL
from src.miniature.world.edits_environment import ENVIRONMENT
from src.miniature.world.edits_physical import PHYSICAL
from src.miniature.world.edits_referential import REFERENTIAL
from src.miniature.world.edits_social import SOCIAL
from src.miniature.world.phrasing import Change, Reason, Setting, SettingKind, choose, fill
from src.miniature.world.render import render
from src.miniature.world.split import HELD_OUT_FAMILIES, Wordings, usable

CATEGORIES = ("物理", "环境", "社会", "因果", "指代")
DIFFICULTIES = ("easy", "medium", "hard")

_KINDS: dict[str, dict[str, SettingKind]] = {
    "物理": PHYSICAL,
    "环境": ENVIRONMENT,
    "社会": SOCIAL,
    "因果": CAUSAL,
    "指代": REFERENTIAL,
}
_MAX_ATTEMPTS = 100

Part = Literal["training", "held_out", "any"]
"""Which families: those for training, those that no model learns from, or all."""


@dataclass(frozen=True)
class MiniatureEdit:
    """One edit with its exact result.

    Attributes:
        category: One of CATEGORIES.
        difficulty: One of DIFFICULTIES: easy says what to draw, medium names the change, hard has to be inferred.
        family: Name of the kind of wish from which the change follows.
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
        setting: Name of the kind of picture, which other edits share.
        opposite: Label that the edit shares with the one contrary edit of the same picture, or nothing.
        held_out: Whether the family is one that no model learns from.
        explicit_wordings: Every explicit wording of the change in this picture, in both languages.
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
    setting: str
    opposite: str
    held_out: bool
    explicit_wordings: tuple[str, ...]


def settings(category: str) -> tuple[str, ...]:
    """Return the names of the setting kinds of a category.

    Raises:
        ConfigError: The category is unknown.
    """
    _require(category, CATEGORIES, "category")
    return tuple(_KINDS[category])


def setting_kind(category: str, name: str) -> SettingKind:
    """Return a setting kind by its name.

    Raises:
        ConfigError: The category or the setting is unknown.
    """
    _require(name, settings(category), f"setting of category {category}")
    return _KINDS[category][name]


def families(category: str, part: Part = "any") -> tuple[str, ...]:
    """Return the names of the families of a category: those for training, those held out, or all.

    Raises:
        ConfigError: The category is unknown.
    """
    names = (family for name in settings(category) for family in _KINDS[category][name].families)
    return tuple(family for family in names if part == "any" or (family in HELD_OUT_FAMILIES) == (part == "held_out"))


def setting_families(category: str) -> dict[str, tuple[str, ...]]:
    """Return the families of every setting kind of a category.

    Raises:
        ConfigError: The category is unknown.
    """
    return {name: _KINDS[category][name].families for name in settings(category)}


def make_edit(
    category: str, difficulty: str, seed: int, family: str | None = None, wordings: Wordings = "training"
) -> MiniatureEdit:
    """Make one edit.

    Args:
        category: One of CATEGORIES.
        difficulty: One of DIFFICULTIES.
        seed: Any whole number; the same arguments give the same edit on every machine.
        family: Name of a family of the category; None lets the seed choose among those for training.
        wordings: Which wordings are allowed; the pictures do not depend on it.

    Raises:
        ConfigError: The category, difficulty or family is unknown.
    """
    names = families(category)
    _require(difficulty, DIFFICULTIES, "difficulty")
    if family is None:
        taught = families(category, "training")
        family = taught[_digest("family", category, difficulty, seed) % len(taught)]
    _require(family, names, f"family of category {category}")
    rng = random.Random(_digest("edit", category, difficulty, family, seed))
    name, setting = _setting_with(rng, category, family)
    change = rng.choice([change for change in setting.changes if _of_family(change, family)])
    reason = rng.choice(_of_family(change, family))
    source = render(setting.source)
    return _told(rng, setting, change, reason, source, category, name, difficulty, wordings)


def make_siblings(
    category: str, difficulty: str, seed: int, family: str, wordings: Wordings = "training"
) -> tuple[MiniatureEdit, ...]:
    """Make every edit of the picture that `make_edit` draws for the same arguments, in the order of the changes.

    Raises:
        ConfigError: The category, difficulty or family is unknown.
    """
    _require(family, families(category), f"family of category {category}")
    _require(difficulty, DIFFICULTIES, "difficulty")
    rng = random.Random(_digest("edit", category, difficulty, family, seed))
    name, setting = _setting_with(rng, category, family)
    return _all_told(rng, setting, category, name, difficulty, wordings)


def make_setting(
    category: str, name: str, seed: int, difficulty: str, wordings: Wordings = "training"
) -> tuple[MiniatureEdit, ...]:
    """Make every edit of one picture: one for each reason of each change, in the order of the changes.

    Args:
        category: One of CATEGORIES.
        name: One of the category's settings.
        seed: Any whole number; the same picture for every difficulty.
        difficulty: One of DIFFICULTIES.
        wordings: Which wordings are allowed.

    Raises:
        ConfigError: The category, setting or difficulty is unknown.
    """
    _require(name, settings(category), f"setting of category {category}")
    _require(difficulty, DIFFICULTIES, "difficulty")
    rng = random.Random(_digest("setting", category, name, seed))
    return _all_told(rng, _KINDS[category][name].make(rng), category, name, difficulty, wordings)


def _all_told(
    rng: random.Random, setting: Setting, category: str, name: str, difficulty: str, wordings: Wordings
) -> tuple[MiniatureEdit, ...]:
    source = render(setting.source)
    return tuple(
        _told(rng, setting, change, reason, source, category, name, difficulty, wordings)
        for change in setting.changes
        for reason in change.reasons
    )


def _setting_with(rng: random.Random, category: str, family: str) -> tuple[str, Setting]:
    """Make settings until one offers the family."""
    name, kind = next((name, kind) for name, kind in _KINDS[category].items() if family in kind.families)
    for _ in range(_MAX_ATTEMPTS):
        setting = kind.make(rng)
        if any(_of_family(change, family) for change in setting.changes):
            return name, setting
    raise AssertionError(f"{_MAX_ATTEMPTS} settings {name} in a row offer no {family}; fix the setting")


def _of_family(change: Change, family: str) -> list[Reason]:
    return [reason for reason in change.reasons if reason.family == family]


def _told(
    rng: random.Random,
    setting: Setting,
    change: Change,
    reason: Reason,
    source: np.ndarray,
    category: str,
    name: str,
    difficulty: str,
    wordings: Wordings,
) -> MiniatureEdit:
    """Put a change that is asked for with a reason into words."""
    explicit = instruction = choose(rng, usable(change.explicit, wordings), change.slots)
    if difficulty != "easy":
        templates = reason.medium if difficulty == "medium" else reason.hard
        instruction = choose(rng, usable(templates, wordings), change.slots)
    rationale = fill(reason.rationale, change.slots)
    return MiniatureEdit(
        category=category,
        difficulty=difficulty,
        family=reason.family,
        tags=change.tags,
        source=source,
        target=render(change.target),
        instruction_en=instruction.en,
        instruction_zh=instruction.zh,
        explicit_en=explicit.en,
        explicit_zh=explicit.zh,
        description_en=setting.description.en,
        description_zh=setting.description.zh,
        rationale_en=rationale.en,
        rationale_zh=rationale.zh,
        setting=name,
        opposite=change.opposite,
        held_out=reason.family in HELD_OUT_FAMILIES,
        explicit_wordings=tuple(text for template in change.explicit for text in fill(template, change.slots)),
    )


def _digest(*parts: str | int) -> int:
    return int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:8], "big")


def _require(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise ConfigError(f"unknown {what} {value!r} of the miniature world; choose one of {', '.join(allowed)}")
