from __future__ import annotations

import json
import math
from typing import Any

import pytest

from src.config import ModelConfig
from src.data.verdict import Status
from src.errors import ConfigError
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import Completion, ScorerSetting, question_key
from src.rewards.scorers.format import FormatScorer
from src.rewards.scorers.six_dimension import JUDGED, SixDimensionScorer
from tests.judged_edits import asked, build_scorer, edit, judged, sample

FORMED = "<CoT>The cup stands.</CoT>\n<Re_edit>Tip the cup over.</Re_edit>"
DOUBLE = "<CoT>The cup stands.</CoT> <Re_edit>Tip the cup over.</Re_edit>"  # two blocks on one line: 2 × 2 points
FORMLESS = "Tip the cup over."
FORMS = {FORMED: 10.0, DOUBLE: 6.0, FORMLESS: 0.0}


def replies(*scores: float) -> dict[str, list[Any]]:
    return {f"- {name}:": [f"Score: {score}"] for name, score in zip(JUDGED, scores, strict=True)}


def score(scores: tuple[float, ...], completion: str | None, **params: Any) -> float | None:
    (verdict,) = judged(SixDimensionScorer, replies(*scores), **params).score([edit(completion=completion)])
    return verdict.score


def test_the_completions_of_these_tests_have_the_form_that_they_are_said_to_have() -> None:
    verdicts = FormatScorer().score_completions([Completion(text) for text in FORMS])
    assert [verdict.score for verdict in verdicts] == list(FORMS.values())


@pytest.mark.parametrize(
    ("scores", "completion", "expected"),
    [
        ((2, 4, 6, 8, 10), FORMED, 0.15 * 30 + 0.25 * 10),
        ((2, 4, 6, 8, 10), FORMLESS, 0.15 * 30),
        ((2, 4, 6, 8, 10), None, 6.0),
        ((10, 10, 10, 10, 10), FORMED, 10.0),
        ((0, 0, 0, 0, 0), FORMLESS, 0.0),
    ],
)
def test_the_weighted_sum_is_as_published(scores: tuple[float, ...], completion: str | None, expected: float) -> None:
    assert score(scores, completion) == pytest.approx(expected)


def test_weights_are_normalised_and_can_be_set_one_by_one() -> None:
    weights = {"physical_geometric": 3, "environment_context": 1, "cultural_social": 0, "logical_causal": 0}
    scores = (2, 6, 9, 9, 9)
    assert score(scores, None, weights={**weights, "target_attribution": 0}) == pytest.approx(3.0)
    assert score(scores, FORMED, weights={**weights, "target_attribution": 0, "format": 4}) == pytest.approx(6.5)
    assert score((10, 5, 5, 5, 5), None, weights={"physical_geometric": 0.6}) == pytest.approx(7.5)


@pytest.mark.parametrize(
    ("completion", "gate", "expected"),
    [
        (FORMED, 5.0, 6.0),
        (DOUBLE, 5.0, 6.0),
        (DOUBLE, 6.0, 6.0),
        (DOUBLE, 6.5, 0.0),
        (FORMLESS, 5.0, 0.0),
        (FORMLESS, 0.0, 6.0),
        (None, 5.0, 6.0),
    ],
)
def test_the_gate_closes_below_its_threshold_and_adds_nothing_above(
    completion: str | None, gate: float, expected: float
) -> None:
    assert score((2, 4, 6, 8, 10), completion, strategy="gated", gate=gate) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "completion", "expected"),
    [
        ((5, 5, 5, 5, 5), FORMED, 10 * 0.5**0.75),
        ((4, 9, 4, 9, 6), None, (4 * 9 * 4 * 9 * 6) ** 0.2),
        ((4, 9, 4, 9, 6), DOUBLE, (4 * 9 * 4 * 9 * 6) ** 0.15 * 6**0.25),
        ((10, 10, 10, 10, 10), FORMED, 10.0),
        ((0, 10, 10, 10, 10), FORMED, 0.0),
        ((5, 5, 5, 5, 5), FORMLESS, 0.0),
    ],
)
def test_the_product_is_the_weighted_geometric_mean(
    scores: tuple[float, ...], completion: str | None, expected: float
) -> None:
    assert score(scores, completion, strategy="multiplicative") == pytest.approx(expected)


def test_a_zero_without_weight_does_not_cost_the_product() -> None:
    assert score((0, 5, 5, 5, 5), None, strategy="multiplicative", weights={"physical_geometric": 0}) == 5.0


@pytest.mark.parametrize(
    ("scores", "completion", "changes", "expected"),
    [
        ((5, 5, 2, 6, 7), FORMED, {}, 0.8 * 2 + 0.2 * 10),
        ((5, 5, 9, 6, 4), FORMLESS, {}, 0.8 * 9),
        ((5, 5, 3, 7, 5), None, {}, 3.0),  # equally far: the lower
        ((2, 2, 5, 2, 2), None, {"reference_point": 2.0}, 5.0),  # the older system took a 2 here
        ((5, 5, 9, 6, 4), FORMED, {"judged_share": 0.5}, 9.5),
        ((5, 5, 9, 6, 4), FORMED, {"judged_share": 0}, 10.0),
        ((0, 5, 9, 5, 5), None, {"weights": {"physical_geometric": 0}}, 9.0),
        ((10, 10, 10, 10, 10), FORMED, {}, 10.0),
    ],
)
def test_the_largest_deviation_from_the_reference_point_stands_for_all(
    scores: tuple[float, ...], completion: str | None, changes: dict[str, Any], expected: float
) -> None:
    assert score(scores, completion, strategy="max_deviation", **changes) == pytest.approx(expected)


def test_every_strategy_gives_another_score_to_the_same_edit() -> None:
    strategies = ("weighted_sum", "gated", "multiplicative", "max_deviation")
    scores = [score((2, 4, 6, 8, 9), DOUBLE, strategy=strategy) for strategy in strategies]
    assert len({round(value, 6) for value in scores if value is not None}) == 4


def test_the_verdict_shows_all_six_dimensions_and_no_format_where_there_is_no_text() -> None:
    scorer = judged(SixDimensionScorer, replies(2, 4, 6, 8, 10))
    with_text, without = scorer.score([edit(completion=DOUBLE), edit()])
    assert with_text.dimensions == {**dict(zip(JUDGED, (2.0, 4.0, 6.0, 8.0, 10.0), strict=True)), "format": 6.0}
    assert without.dimensions == {**with_text.dimensions, "format": None}


def test_one_call_and_five_calls_give_the_same_for_the_same_replies() -> None:
    scores = (2.5, 4, 6, 8, 10)
    whole = {"": [json.dumps({"reasoning": "seen", **dict(zip(JUDGED, scores, strict=True))})]}
    in_one = judged(SixDimensionScorer, whole, calls="one")
    in_five = judged(SixDimensionScorer, replies(*scores), calls="five")
    (one,), (five,) = in_one.score([edit(completion=FORMED)]), in_five.score([edit(completion=FORMED)])
    assert (one.score, one.dimensions) == (five.score, five.dimensions)
    assert (one.usage["calls"], five.usage["calls"]) == (1, 5)


def test_five_questions_share_system_prompt_pictures_and_everything_up_to_the_criterion() -> None:
    scorer = judged(SixDimensionScorer, replies(1, 2, 3, 4, 5))
    scorer.score([edit()])
    (questions,) = asked(scorer)
    assert all(
        (one.system_prompt, one.images) == (questions[0].system_prompt, questions[0].images) for one in questions
    )
    heads, criteria = zip(*(one.text.split("\n- ", 1) for one in questions), strict=True)
    assert len(set(heads)) == 1
    assert all(part in heads[0] for part in ("a red cup", "tip it over", "tea runs out"))
    assert len(set(criteria)) == 5
    assert all(sum(name in text for name in JUDGED) == 1 for text in criteria)


def test_the_neutral_score_that_the_prompt_names_is_the_reference_point() -> None:
    scorer = judged(SixDimensionScorer, {}, reference_point=4.5)
    assert all("its score is 4.5" in one.text for one in scorer.judge_prompts(sample()))


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"refusal": "no"}, Status.REFUSED),
        ("who knows", Status.UNPARSABLE),
        ({"error": "gone"}, Status.JUDGE_FAILED),
    ],
)
def test_one_failed_question_of_five_is_never_a_number(reply: Any, status: Status) -> None:
    script = {**replies(2, 4, 6, 8, 10), "- logical_causal:": [reply]}
    (verdict,) = judged(SixDimensionScorer, script).score([edit(completion=FORMED)])
    assert (verdict.status, verdict.score) == (status, None)
    assert set(verdict.dimensions) == set(JUDGED) - {"logical_causal"}


def test_everything_that_changes_a_score_changes_the_identity_or_the_question() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"strategy": "gated"},
        {"gate": 4},
        {"judged_share": 0.7},
        {"reference_point": 2},
        {"calls": "one"},
        {"weights": {"format": 0.1}},
        {"format": {"style": "think_answer"}},
        {"repeats": 2},
    ]
    assert len({json.dumps(judged(SixDimensionScorer, {}, **change).identity()) for change in changes}) == len(changes)
    questions = [
        question_key(judged(SixDimensionScorer, {}, calls=calls).question(sample())) for calls in ("one", "five")
    ]
    assert questions[0] != questions[1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"strategy": "gate"}, "strategy"),
        ({"weights": {"phisical_geometric": 1}}, "Did you mean.*physical_geometric"),
        ({"weights": {"format": -1}}, r"weights\.format"),
        ({"weights": {"format": math.inf}}, r"weights\.format"),
        ({"weights": dict.fromkeys(JUDGED, 0)}, "at least one judged dimension"),
        ({"format": {"stile": "rewrite"}}, r"format\.stile"),
        ({"gate": 11}, "gate"),
    ],
)
def test_wrong_params_are_config_errors_that_name_the_key(params: dict[str, Any], message: str) -> None:
    setting = ScorerSetting(JudgeHandle(ModelConfig(class_path="tests.scripted_judge.ScriptedJudge")))
    path = "src.rewards.scorers.six_dimension.SixDimensionScorer"
    with pytest.raises(ConfigError, match=message):
        build_scorer(ModelConfig(class_path=path, params=params), setting)
