"""What counts as a readable rewrite: the world's own sentences, one language, no repeats."""

from __future__ import annotations

import random

import pytest

from src.miniature.policy.faithful_rewrites import TaughtRewrite, faithful_rewrite
from src.miniature.policy.readable import FORM, GRAMMAR, REPEATS, readability, rewrite_faults
from src.miniature.world.benchmark import HELD_OUT_SEEDS
from src.miniature.world.edits import CATEGORIES, make_edit, setting_kind, settings
from src.miniature.world.grammar import has_repeats, is_of_the_world, sentences

THOUGHT = "Without power a lamp sends no light, so what it lit turns dark."


def completion(*instructions: str, thought: str = THOUGHT) -> str:
    return f"<CoT>{thought}</CoT>" + "".join(f"<Re_edit>{instruction}</Re_edit>" for instruction in instructions)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_sentence_of_pictures_that_were_not_read_is_of_the_world(category: str) -> None:
    for name in settings(category):
        for seed in range(25):
            for change in setting_kind(category, name).make(random.Random(seed)).changes:
                explicit, rationales = sentences(change, "explicit"), sentences(change, "rationale")
                assert [text for text in explicit if not is_of_the_world(text, "explicit")] == []
                assert [text for text in rationales if not is_of_the_world(text, "rationale")] == []
                assert [text for text in explicit if has_repeats(text)] == []


def test_every_faithful_rewrite_is_readable() -> None:
    edits = [make_edit(category, "hard", HELD_OUT_SEEDS.start + seed) for category in CATEGORIES for seed in range(8)]
    written = [faithful_rewrite(edit, language).completion() for edit in edits for language in ("en", "zh")]
    found = readability(written)
    assert (found.rewrites, found.unreadable, found.foreign_thoughts) == (80, 0.0, 0.0)


@pytest.mark.parametrize(
    ("instruction", "faults"),
    [
        ("Remove the red circle.", ()),
        ("擦掉红色圆形。", ()),
        ("Remove the green square.", ()),
        ("Draw the person in blue. last one in the queue on the left.", (GRAMMAR,)),
        ("Remove the red sofa.", (GRAMMAR,)),
        ("Remove red the circle.", (GRAMMAR,)),
        ("擦掉 red circle。", (GRAMMAR,)),
        ("Describe the picture.", (GRAMMAR,)),
        ("The family leaves the house for a week.", (GRAMMAR,)),
        ("Remove the red the red circle.", (GRAMMAR, REPEATS)),
        ("擦掉红色圆形红色圆形。", (GRAMMAR, REPEATS)),
        ("Swap the red circle and the red circle.", (REPEATS,)),
    ],
)
def test_the_faults_of_an_instruction(instruction: str, faults: tuple[str, ...]) -> None:
    assert rewrite_faults(completion(instruction)) == faults


def test_a_broken_form_is_the_only_fault_that_is_told() -> None:
    assert rewrite_faults("<CoT>why</CoT><Re_edit>Remove the red sofa sofa.") == (FORM,)


def test_one_instruction_given_twice_is_a_repeat_and_two_different_ones_are_none() -> None:
    assert rewrite_faults(completion("Remove the red circle.", "Remove the red circle.")) == (REPEATS,)
    assert rewrite_faults(completion("Remove the red circle.", "Remove the blue circle.")) == ()


def test_one_foreign_instruction_is_a_fault_wherever_it_stands_among_those_of_the_world() -> None:
    assert rewrite_faults(completion("Remove the red circle.", "Remove the red sofa.")) == (GRAMMAR,)
    assert rewrite_faults(completion("Remove the red sofa.", "Remove the red circle.")) == (GRAMMAR,)


def test_a_thought_may_repeat_only_what_the_world_repeats() -> None:
    own = "The battery is hazardous waste, and hazardous waste goes into the red bin."
    assert rewrite_faults(completion("Remove the red circle.", thought=own)) == ()
    assert rewrite_faults(completion("Remove the red circle.", thought="It is is dark.")) == (REPEATS,)


def test_shares_are_of_all_rewrites_and_a_foreign_thought_is_no_fault() -> None:
    clumsy = completion("Remove the red circle.", thought="Because I like it.")
    found = readability([clumsy, completion("Remove the red sofa."), "", completion("擦掉红色圆形。")])
    assert found.unreadable == 0.5
    assert found.faults == {FORM: 0.25, GRAMMAR: 0.25, REPEATS: 0.0}
    assert found.foreign_thoughts == 0.5, "of the clumsy one, and of the empty one"


def test_a_rewrite_with_two_languages_is_outside_the_grammar() -> None:
    mixed = TaughtRewrite(THOUGHT, "把 the red circle 涂成蓝色。")
    assert rewrite_faults(mixed.completion()) == (GRAMMAR,)
