"""Old edit rules as settings of a single change, until every category has settings of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping

from src.miniature.world.phrasing import Change, Reason, Rule, Setting, SettingKind, fill


def ported(kinds: Mapping[str, Rule | SettingKind]) -> dict[str, SettingKind]:
    """Return the setting kinds of a category, old rules among them wrapped."""
    return {
        name: kind if isinstance(kind, SettingKind) else SettingKind(_Wrapped(name, kind), (name,))
        for name, kind in kinds.items()
    }


class _Wrapped:
    def __init__(self, name: str, rule: Rule) -> None:
        self._name = name
        self._rule = rule

    def __call__(self, rng: random.Random) -> Setting:
        draft = self._rule(rng, rng.choice(("easy", "medium", "hard")))
        texts = draft.texts
        reason = Reason(self._name, texts.rationale, texts.medium, texts.hard)
        change = Change(draft.target, texts.easy, (reason,), draft.slots, draft.tags)
        return Setting(draft.source, fill(texts.description, draft.slots), (change,))
