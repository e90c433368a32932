"""The policy's own text is judged beside the picture, once for each text, and never without a text."""

from __future__ import annotations

import pytest

from src.config import ClassConfig, ModelConfig
from src.data.verdict import Status
from src.pipeline.scorer_plan import ScorerPlan
from src.rewards.core.scorer import ScorerSetting
from src.rewards.scorers.combined import CombinedScorer
from src.rewards.scorers.completion_quality import CompletionQualityScorer
from tests.judged_edits import asked, build_scorer, edit, judged, sample

CLASS = "src.rewards.scorers.completion_quality.CompletionQualityScorer"


def reply(relevance: object, concreteness: object, language: object) -> dict[str, list[str]]:
    text = f'{{"reasoning": "", "relevance": {relevance}, "concreteness": {concreteness}, "language": {language}}}'
    return {"concreteness": [text]}


@pytest.mark.parametrize(
    ("values", "expected"), [((5, 5, 5), 10.0), ((1, 1, 1), 0.0), ((3, 3, 3), 5.0), ((5, 4, 2), 10 * (11 / 3 - 1) / 4)]
)
def test_the_score_is_the_mean_from_1_to_5_on_the_scale_of_all_scores(
    values: tuple[int, int, int], expected: float
) -> None:
    (verdict,) = judged(CompletionQualityScorer, reply(*values)).score([edit(completion="a cup lies on its side")])
    assert verdict.score == pytest.approx(expected)
    assert verdict.dimensions == dict(zip(("relevance", "concreteness", "language"), values, strict=True))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_judge_reads_request_and_text_and_sees_no_picture(language: str) -> None:
    scorer = judged(CompletionQualityScorer, reply(4, 4, 4), language=language)  # type: ignore[arg-type]
    scorer.score([edit(completion="tea runs over the table")])
    ((question,),) = asked(scorer)
    assert question.images == ()
    assert question.score_range == (1.0, 5.0)
    assert all(told in question.text for told in ("tip it over", "a red cup", "tea runs over the table"))


@pytest.mark.parametrize("value", [0, 6, "null"])
def test_a_value_outside_1_to_5_leaves_no_score(value: object) -> None:
    (verdict,) = judged(CompletionQualityScorer, reply(5, value, 5)).score([edit(completion="a cup")])
    assert (verdict.status, verdict.score) == (Status.UNPARSABLE, None)


def test_each_text_about_one_edit_has_a_verdict_of_its_own() -> None:
    judge = ModelConfig(class_path="tests.scripted_judge.ScriptedJudge", params={"script": reply(4, 4, 4)})
    plan = ScorerPlan(ClassConfig(class_path=CLASS), judge, {}, "en", has_completions=True)
    one, other = sample(), sample()
    keys = {plan.pending_verdict(one, "an edit", text).verdict_key for text in ("a cup", "a mug", "a cup")}
    assert len(keys) == 2
    assert plan.pending_verdict(other, "an edit", "a cup").verdict_key in keys


def test_without_a_text_it_is_not_applicable_and_asks_nothing() -> None:
    scorer = judged(CompletionQualityScorer, reply(5, 5, 5))
    (verdict,) = scorer.score([edit()])
    assert verdict.status is Status.NOT_APPLICABLE
    assert asked(scorer) in ([], [[]])
    in_a_benchmark = CompletionQualityScorer({}, ScorerSetting(scorer.setting.judge, has_completions=False))
    assert "no policy's text" in str(in_a_benchmark.inapplicable(sample()))


def test_beside_a_scorer_of_the_picture_it_has_its_weight() -> None:
    parts = [
        {"class_path": "src.rewards.scorers.ground_truth.GroundTruthScorer", "weight": 0.75, "name": "picture"},
        {"class_path": CLASS, "weight": 0.25, "name": "text"},
    ]
    script = {**reply(1, 1, 1), "": ["Score: 8"]}
    handle = judged(CompletionQualityScorer, script).setting
    section = ModelConfig(class_path="src.rewards.scorers.combined.CombinedScorer", params={"parts": parts})
    scorer = build_scorer(section, handle)
    assert isinstance(scorer, CombinedScorer)
    scorer.load()
    (verdict,) = scorer.score([edit(completion="a cup")])
    assert verdict.score == pytest.approx(6.0)
    assert (verdict.dimensions["picture"], verdict.dimensions["text"]) == (8.0, 0.0)
