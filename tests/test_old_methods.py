"""Scorers and reward functions with method names of before: an override counts, `super()` works, nothing is ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.data.verdict import Status, Verdict
from src.published_names import CLASSES, METHODS
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.scorers.vie import VIEScorer
from src.training.config import TrainingConfig
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion
from tests.judged_edits import edit, judged, sample

PLUGIN = """
from src.rewards.judged_scorer import Inquiry, JudgedScorer
from src.rewards.vie_score import VIEScore


class Half(VIEScore):
    def inquiries(self, sample):
        return super().inquiries(sample)[:1]


class HalfOfHalf(Half):
    def judge_prompts(self, sample):
        return super().judge_prompts(sample)[:0]


class Mixin:
    def inquiries(self, sample):
        return [Inquiry("You judge.", f"wet? {sample.instruction}", "toy v1", ("wet",))]

    def conclude(self, edit, values):
        return values["wet"], dict(values)


class Both(Mixin):
    def inquiries(self, sample):
        warm = Inquiry("You judge.", "warm?", "toy v1", ("warm",))
        return [*super().inquiries(sample), warm]


class Mixed(Mixin, VIEScore): ...


class MixedJudged(Mixin, JudgedScorer): ...


class MixedTwice(Both, MixedJudged): ...


class Shouting(VIEScore):
    def edit_inquiry(self, name, dimensions, sample, **values):
        from dataclasses import replace

        asked = super().edit_inquiry(name, dimensions, sample, **values)
        return replace(asked, text=asked.text.upper())


class Own(JudgedScorer):
    def identity(self):
        return super().identity() | {"again": self.setting.judge.identity()}

    def inquiries(self, sample):
        return [Inquiry("You judge.", "wet?", "toy v1", ("wet",))]

    def inapplicable(self, sample):
        return None if self.inquiries(sample) else "nothing"

    def conclude(self, edit, values):
        return values["wet"], {}
"""


def scorer(name: str, **script: list[Any]) -> JudgedScorer:
    names: dict[str, Any] = {"__name__": "old_plugin"}
    exec(PLUGIN, names)
    return judged(names[name], dict(script))


def dimensions(asked: list[JudgePrompt]) -> list[tuple[str, ...]]:
    return [one.dimensions for one in asked]


def test_an_override_by_the_old_name_may_ask_what_the_shipped_scorer_asks() -> None:
    whole = dimensions(judged(VIEScorer, {}).judge_prompts(sample()))
    assert dimensions(scorer("Half").judge_prompts(sample())) == whole[:1]
    assert len(whole) > 1


def test_an_override_by_the_new_name_finds_the_one_by_the_old_name_below_it() -> None:
    assert scorer("HalfOfHalf").judge_prompts(sample()) == []
    assert scorer("HalfOfHalf").inapplicable(sample()) == "HalfOfHalf has nothing to ask about this sample"


@pytest.mark.parametrize("name", ["Mixed", "MixedJudged"])
def test_a_mixin_with_the_old_name_says_what_is_asked(name: str) -> None:
    (verdict,) = scorer(name, **{"wet?": ["Score: 6"]}).score([edit()])
    assert (verdict.status, verdict.dimensions) == (Status.SCORED, {"wet": 6.0})


def test_the_most_derived_definition_by_either_name_counts() -> None:
    assert dimensions(scorer("MixedTwice").judge_prompts(sample())) == [("wet",), ("warm",)]


def test_an_override_of_how_prompts_are_rendered_reaches_a_shipped_scorer() -> None:
    texts = [one.text for one in judged(VIEScorer, {}).judge_prompts(sample())]
    assert [one.text for one in scorer("Shouting").judge_prompts(sample())] == [text.upper() for text in texts]


def test_a_scorer_of_before_asks_for_the_identity_of_its_judge_and_for_its_own_prompts() -> None:
    own = scorer("Own")
    identity = own.identity()
    assert identity["again"] == identity["judge"] == own.setting.judge.identity()  # type: ignore[union-attr]
    assert own.inapplicable(sample()) is None


def test_a_prompt_becomes_a_request_by_either_name() -> None:
    asked = JudgePrompt("You judge.", "wet?", None, ("wet",))
    assert asked.enquiry(()).question == asked.request(()).question


def test_a_reward_function_of_before_reads_and_overrides_by_the_old_names(tmp_path: Path) -> None:
    noted = []

    class Length(RewardFunction):
        def outcomes(self, readings: Any) -> list[CompletionOutcome]:
            return [CompletionOutcome(Verdict(Status.SCORED, float(len(one.said)))) for one in readings]

        def know(self, examples: Any) -> None:
            noted.extend(examples)
            super().know(examples)  # type: ignore[misc]

    class Example:
        example_id = "one"

    setting = RewardSetting(TrainingConfig.model_construct(training=None), page_writer="writer")  # type: ignore[arg-type]
    rewards, example = Length(None, setting), Example()  # type: ignore[arg-type]
    rewards.add_examples([example])  # type: ignore[list-item]
    assert noted == list(rewards._examples.values()) == [example]
    (outcome,) = rewards.outcomes([ParsedCompletion(example, "<a>four</a>", "four")])  # type: ignore[arg-type]
    assert outcome.verdict.score == 4.0
    assert rewards.setting.pages == "writer"


def test_every_old_method_has_one_name_today() -> None:
    assert len(set(METHODS.values())) == len(METHODS)
    assert not set(METHODS) & set(METHODS.values())
    assert not set(METHODS) & set(CLASSES)
