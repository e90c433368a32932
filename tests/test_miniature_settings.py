"""Settings of the miniature world: only the words tell which of several changes of one picture is asked for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from src.miniature.world.edits import _KINDS, CATEGORIES, families, make_edit, make_setting, settings
from src.miniature.world.phrasing import Change, Setting, Words, fill
from src.miniature.world.render import render
from src.miniature.world.split import HELD_OUT_FAMILIES, usable

KINDS = [
    pytest.param(category, name, id=f"{CATEGORIES.index(category)}-{name}")
    for category in CATEGORIES
    for name in settings(category)
]
SEEDS = range(40)


def made(category: str, name: str, seeds: range = SEEDS) -> Iterator[Setting]:
    for seed in seeds:
        yield _KINDS[category][name].make(random.Random(f"{name} {seed}"))


def filled(change: Change, templates: tuple[Words, ...]) -> list[Words]:
    return [fill(template, change.slots) for template in templates]


def changed_pixels(one: np.ndarray, other: np.ndarray) -> int:
    return int((np.abs(one.astype(int) - other).max(axis=2) > 24).sum())


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_a_setting_offers_four_visible_changes_that_all_differ(category: str, name: str) -> None:
    for setting in made(category, name):
        source = render(setting.source)
        targets = [render(change.target) for change in setting.changes]
        assert len(targets) >= 4
        assert len({target.tobytes() for target in targets}) == len(targets)
        for target, change in zip(targets, setting.changes, strict=True):
            assert changed_pixels(source, target) >= 40, change.explicit[0]


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_an_opposite_is_shared_by_exactly_two_changes(category: str, name: str) -> None:
    seen = 0
    for setting in made(category, name):
        labels = Counter(change.opposite for change in setting.changes if change.opposite)
        assert set(labels.values()) <= {2}, labels
        seen += len(labels)
    assert seen >= len(SEEDS) / 2


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_a_setting_kind_offers_the_families_that_it_names_and_no_other(category: str, name: str) -> None:
    offered = {
        reason.family
        for setting in made(category, name, range(150))
        for change in setting.changes
        for reason in change.reasons
    }
    assert offered == set(_KINDS[category][name].families)


def test_a_family_belongs_to_one_setting_kind_of_the_world() -> None:
    names = [family for category in CATEGORIES for family in families(category)]
    assert len(names) == len(set(names))
    assert set(names) >= HELD_OUT_FAMILIES


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_words_are_for_one_change_of_the_picture_only(category: str, name: str) -> None:
    for setting in made(category, name):
        for kind in ("explicit", "medium", "hard"):
            meant: dict[str, int] = {}
            for number, change in enumerate(setting.changes):
                said = [change.explicit] if kind == "explicit" else [getattr(r, kind) for r in change.reasons]
                for templates in said:
                    for text in filled(change, templates):
                        for language in text:
                            assert meant.setdefault(language, number) == number, language


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_every_wording_has_four_different_forms_and_no_open_slot(category: str, name: str) -> None:
    for setting in made(category, name):
        for change in setting.changes:
            assert change.reasons
            groups = [change.explicit]
            for reason in change.reasons:
                groups += [reason.medium, reason.hard]
                assert "{" not in "".join(fill(reason.rationale, change.slots))
            for group in groups:
                words = filled(change, group)
                assert len({text.en for text in words}) == len({text.zh for text in words}) == len(group) == 4
                assert not any("{" in language or "}" in language for text in words for language in text)
        assert "{" not in "".join(setting.description)


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_texts_are_short(category: str, name: str) -> None:
    for setting in made(category, name):
        for change in setting.changes:
            for group in (change.explicit, *(text for r in change.reasons for text in (r.medium, r.hard))):
                for text in filled(change, group):
                    assert len(text.en.split()) <= 20, text.en
                    assert len(text.zh) <= 36, text.zh


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_hard_text_belongs_to_two_families(category: str) -> None:
    owner: dict[str, str] = {}
    for name in settings(category):
        for setting in made(category, name):
            for change in setting.changes:
                for reason in change.reasons:
                    for text in filled(change, reason.hard):
                        for language in text:
                            assert owner.setdefault(language, reason.family) == reason.family, language


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_a_change_of_a_held_out_family_is_taught_by_a_training_family(category: str, name: str) -> None:
    for setting in made(category, name):
        for change in setting.changes:
            assert any(reason.family not in HELD_OUT_FAMILIES for reason in change.reasons), change.explicit[0]


@pytest.mark.parametrize("category", CATEGORIES)
def test_two_or_three_families_of_a_category_are_held_out(category: str) -> None:
    assert 2 <= len(families(category, "held_out")) <= 4
    assert set(families(category)) == {*families(category, "held_out"), *families(category, "training")}


@pytest.mark.parametrize(("category", "name"), KINDS)
def test_both_of_two_opposite_changes_are_asked_for_equally_often(category: str, name: str) -> None:
    """In training, where families are equally likely, and within one the changes of a picture that it asks for."""
    taught = [family for family in _KINDS[category][name].families if family not in HELD_OUT_FAMILIES]
    asked = {(place, family): 0.0 for place in (0, 1) for family in taught}
    offering = dict.fromkeys(taught, 0)
    for setting in made(category, name, range(200)):
        for family in taught:
            fitting = [change for change in setting.changes if any(r.family == family for r in change.reasons)]
            offering[family] += bool(fitting)
            for change in fitting:
                if change.opposite:
                    pair = [other for other in setting.changes if other.opposite == change.opposite]
                    asked[pair.index(change), family] += 1 / len(fitting)
    first, second = (sum(asked[place, name] / offering[name] for name in taught) for place in (0, 1))
    assert 0.4 < first / (first + second) < 0.6


def test_edits_of_one_picture_share_the_source_and_are_told_apart_by_their_words() -> None:
    for category, name in (kind.values for kind in KINDS):
        edits = make_setting(category, name, 3, "hard")
        assert len({edit.source.tobytes() for edit in edits}) == 1
        assert len({edit.instruction_en for edit in edits}) >= len({edit.target.tobytes() for edit in edits}) >= 4
        assert {edit.setting for edit in edits} == {name}


def test_held_out_wordings_are_never_training_wordings() -> None:
    templates = tuple(Words(str(i), str(i)) for i in range(4))
    assert usable(templates, "training") == templates[:3]
    assert usable(templates, "held_out") == templates[3:]
    assert usable(templates, "any") == templates
    for category in CATEGORIES:
        for family in families(category):
            for difficulty in ("easy", "medium", "hard"):
                taught = make_edit(category, difficulty, 5, family, "training")
                held = make_edit(category, difficulty, 5, family, "held_out")
                assert held.instruction_en != taught.instruction_en
                assert held.instruction_zh != taught.instruction_zh
                assert np.array_equal(held.target, taught.target)


def test_without_a_family_only_training_families_are_made() -> None:
    for category in CATEGORIES:
        assert not any(make_edit(category, "hard", seed).held_out for seed in range(60))


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_held_out_text_occurs_among_those_for_training(category: str) -> None:
    """Held-out texts are the last forms, and all forms of held-out families but what says what to draw."""
    taught: set[str] = set()
    unseen: set[str] = set()
    for name in settings(category):
        for setting in made(category, name):
            for change in setting.changes:
                groups = [(change.explicit, False)]
                groups += [(g, r.family in HELD_OUT_FAMILIES) for r in change.reasons for g in (r.medium, r.hard)]
                for group, all_unseen in groups:
                    texts = filled(change, group)
                    taught |= {language for text in ([] if all_unseen else texts[:-1]) for language in text}
                    unseen |= {language for text in (texts if all_unseen else texts[-1:]) for language in text}
    assert not taught & unseen
