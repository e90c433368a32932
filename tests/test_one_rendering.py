"""What is hashed into a verdict's key is what is sent to the judge, and it is rendered once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src.config import Config, ModelConfig, PromptConfig
from src.data.knowledge_graph import Dependency, KnowledgeGraph
from src.data.sample import EditSample
from src.data.verdict import Status
from src.models.reward.base_reward import BaseRewardModel
from src.models.vlm.prompts import PromptTemplate
from src.models.vlm.question import Question
from src.pipeline.evaluation import evaluate
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, Scorer, ScorerSetting, question_key
from src.rewards.scorers import category
from src.rewards.scorers.alignment_quality import AlignmentQualityScorer
from src.rewards.scorers.category import CategoryScorer
from src.rewards.scorers.combined import CombinedScorer
from src.rewards.scorers.ground_truth import GroundTruthScorer
from src.rewards.scorers.knowledge_graph import KnowledgeGraphScorer
from src.rewards.scorers.six_dimension import SixDimensionScorer
from src.rewards.scorers.vie import VIEScorer
from tests.judged_edits import EDITED, SOURCE, sample

GRAPH = KnowledgeGraph(("sun", "shadow"), (Dependency("sun", "Causes", "shadow"),))
INLINE = {"物理": PromptConfig(system_prompt="Judge.", user_prompt_template="{edit_instruction}")}
PARTS = [
    {"class_path": f"{scorer.__module__}.{scorer.__name__}"}
    for scorer in (CategoryScorer, VIEScorer, GroundTruthScorer)
]
CASES: list[tuple[type[Scorer], dict[str, Any], int]] = [
    (CategoryScorer, {}, 1),
    (CategoryScorer, {"repeats": 3}, 1),
    (VIEScorer, {}, 2),
    (GroundTruthScorer, {}, 1),
    (AlignmentQualityScorer, {}, 2),
    (SixDimensionScorer, {}, 5),
    (SixDimensionScorer, {"calls": "one"}, 1),
    (KnowledgeGraphScorer, {}, 3),
    (CombinedScorer, {"parts": PARTS}, 4),
]


class RememberingJudge(BaseRewardModel):
    """Only scores, and keeps the prompts that it got."""

    def _initialize(self) -> None:
        self.prompts: list[tuple[str, str]] = []

    def score(self, *args: Any, **kwargs: Any) -> float:
        self.prompts.append(args[3:5])
        return 5.0


def loaded(scorer_class: type[Scorer], params: dict[str, Any], prompts: Any = None, judge: str = "") -> Scorer:
    class_path = judge or "tests.scripted_judge.ScriptedJudge"
    handle = JudgeHandle(ModelConfig(class_path=class_path, params={"script": {"": ["Score: 7"]}}))
    scorer = scorer_class(params, ScorerSetting(handle, prompts or {}))
    scorer.load()
    return scorer


def sent(scorer: Scorer) -> list[Question]:
    return [question for call in scorer.setting.judge.model.asked for question in call]  # type: ignore[union-attr]


def texts(key: Any) -> list[str]:
    """Every text in a key, however deep."""
    if isinstance(key, str):
        return [key]
    inner = key.values() if isinstance(key, dict) else key if isinstance(key, list | tuple) else ()
    return [text for one in inner for text in texts(one)]


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The version of each prompt, as often as it is rendered."""
    counted: list[str] = []
    render = PromptTemplate.render

    def counting(template: PromptTemplate, **values: Any) -> tuple[str, str]:
        counted.append(template.version)
        return render(template, **values)

    monkeypatch.setattr(PromptTemplate, "render", counting)
    return counted


def judge_as_a_run_does(scorer: Scorer, one: EditSample) -> Any:
    """What the plan asks of a scorer for the keys, then the verdict; returns what entered the key."""
    assert scorer.inapplicable(one) is None
    question = scorer.question(one)
    key = question_key(question)
    scorer.score([EditedSample(one, SOURCE, EDITED, question=question)])
    return key


@pytest.mark.parametrize(("scorer_class", "params", "prompts"), CASES)
def test_a_sample_and_its_verdict_take_one_rendering_of_each_prompt(
    renderings: list[str], scorer_class: type[Scorer], params: dict[str, Any], prompts: int
) -> None:
    scorer = loaded(scorer_class, params)
    for word in ("tip it over", "drop it"):
        judge_as_a_run_does(scorer, sample(word, graph=GRAPH))
    assert len(renderings) == 2 * prompts


@pytest.mark.parametrize(("scorer_class", "params", "prompts"), CASES)
def test_every_text_that_is_sent_is_in_the_key(
    scorer_class: type[Scorer], params: dict[str, Any], prompts: int
) -> None:
    scorer = loaded(scorer_class, params)
    hashed = texts(judge_as_a_run_does(scorer, sample(graph=GRAPH)))
    asked = sent(scorer)
    assert len({question.text for question in asked}) == prompts
    assert {text for question in asked for text in (question.system_prompt, question.text)} <= set(hashed)


@pytest.mark.parametrize(("scorer_class", "params", "prompts"), CASES)
def test_what_is_sent_is_the_question_that_was_hashed_and_no_other(
    scorer_class: type[Scorer], params: dict[str, Any], prompts: int
) -> None:
    """The question of one sample with the pixels of another: the judge must get the question."""
    scorer, alone = loaded(scorer_class, params), loaded(scorer_class, params)
    hashed, other = sample("tip it over", graph=GRAPH), sample("drop it", graph=GRAPH)
    scorer.score([EditedSample(other, SOURCE, EDITED, question=scorer.question(hashed))])
    alone.score([EditedSample(hashed, SOURCE, EDITED)])
    assert [(one.system_prompt, one.text) for one in sent(scorer)] == [
        (one.system_prompt, one.text) for one in sent(alone)
    ]


def test_a_prompt_of_the_config_is_filled_in_once(monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[str] = []
    fill = category.fill
    monkeypatch.setattr(category, "fill", lambda template, one: filled.append(template) or fill(template, one))
    key = judge_as_a_run_does(loaded(CategoryScorer, {}, INLINE), sample())
    assert filled == ["Judge.", "{edit_instruction}"]
    assert (key["system"], key["text"]) == ("Judge.", "tip it over")


def test_a_judge_that_only_scores_gets_the_prompts_of_the_key() -> None:
    scorer = loaded(CategoryScorer, {}, INLINE, judge="tests.test_one_rendering.RememberingJudge")
    key = judge_as_a_run_does(scorer, sample())
    assert scorer.setting.judge.model.prompts == [tuple(key[:2])] == [("Judge.", "tip it over")]  # type: ignore[union-attr]


def test_a_part_that_can_say_nothing_is_not_asked_and_says_so_in_the_key() -> None:
    scorer = loaded(CombinedScorer, {"parts": PARTS})
    bare = sample(reference=None)
    key = judge_as_a_run_does(scorer, bare)
    assert key[2] == "the sample has no reference image"
    (verdict,) = scorer.score([EditedSample(bare, SOURCE, EDITED, question=scorer.question(bare))])
    assert (verdict.status, verdict.dimensions["GroundTruthScorer"]) == (Status.UNPARSABLE, None)


def test_an_edit_without_a_question_is_asked_about_all_the_same() -> None:
    scorer = loaded(CategoryScorer, {})
    edits = [EditedSample(sample(), SOURCE, EDITED), EditedSample(sample(), SOURCE, EDITED)]
    first, second = scorer.score([edits[0], replace(edits[1], question=scorer.question(edits[1].sample))])
    assert (first.score, second.score) == (7.0, 7.0)
    assert sent(scorer)[0].text == sent(scorer)[1].text


@pytest.mark.parametrize(("scorer", "prompts"), [(CategoryScorer, 1), (VIEScorer, 2), (SixDimensionScorer, 5)])
def test_a_whole_run_renders_each_prompt_once_a_sample(
    renderings: list[str],
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    scorer: type[Scorer],
    prompts: int,
) -> None:
    reply = '{"edit_success": 5, "no_overediting": 5, "naturalness": 5, "no_artifacts": 5}\nScore: 5'
    judge = {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": [reply]}}}
    section = {"class_path": f"{scorer.__module__}.{scorer.__name__}"}
    evaluate(make_config(write_benchmark(4), reward_model=judge, scorer=section, prompts={}))
    assert len(renderings) == 4 * prompts
