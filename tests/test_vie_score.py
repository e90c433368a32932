from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.data.verdict import Status
from src.pipeline.evaluation import evaluate
from src.rewards.scorers.vie import CONSISTENCY, QUALITY, VIEScorer
from tests.judged_edits import EDITED, SOURCE, asked, edit, judged


def script(success: float, left_alone: float, natural: float, clean: float) -> dict[str, list[Any]]:
    consistency = json.dumps(dict(zip(CONSISTENCY, (success, left_alone), strict=True)))
    quality = json.dumps(dict(zip(QUALITY, (natural, clean), strict=True)))
    return {"edit_success": [consistency], "naturalness": [quality]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((9, 4, 10, 9), math.sqrt(4 * 9)),
        ((3, 10, 7, 5), math.sqrt(3 * 5)),
        ((0, 10, 10, 10), 0.0),
        ((10, 10, 10, 0), 0.0),
        ((10, 10, 10, 10), 10.0),
    ],
)
def test_the_score_is_the_geometric_mean_of_the_two_minima(values: tuple[float, ...], expected: float) -> None:
    (verdict,) = judged(VIEScorer, script(*values)).score([edit()])
    assert verdict.score == pytest.approx(expected)
    assert tuple(verdict.dimensions[name] for name in CONSISTENCY + QUALITY) == values
    assert verdict.dimensions["semantic_consistency"] == min(values[:2])
    assert verdict.dimensions["perceptual_quality"] == min(values[2:])


def test_consistency_is_judged_on_both_images_and_quality_on_the_edit_alone() -> None:
    scorer = judged(VIEScorer, script(1, 1, 1, 1))
    scorer.score([edit()])
    ((consistency, quality),) = asked(scorer)
    assert [shown.image for shown in consistency.images] == [SOURCE, EDITED]
    assert [shown.image for shown in quality.images] == [EDITED]
    assert consistency.system_prompt == quality.system_prompt


def test_a_refused_question_leaves_no_score_and_keeps_the_other_values() -> None:
    (verdict,) = judged(VIEScorer, {**script(1, 2, 3, 4), "naturalness": [{"refusal": "no"}]}).score([edit()])
    assert (verdict.status, verdict.score) == (Status.REFUSED, None)
    assert verdict.dimensions == {"edit_success": 1.0, "no_overediting": 2.0}


def test_a_reply_with_one_of_two_values_is_asked_again_and_then_unparsable() -> None:
    half = ['{"edit_success": 7}', '{"edit_success": 7, "no_overediting": 5}']
    scorer = judged(VIEScorer, {**script(0, 0, 5, 5), "edit_success": half})
    assert scorer.score([edit()])[0].score == 5.0
    (verdict,) = judged(VIEScorer, {**script(0, 0, 5, 5), "edit_success": half[:1]}).score([edit()])
    assert (verdict.status, verdict.score) == (Status.UNPARSABLE, None)
    assert "no_overediting" in str(verdict.reason)


def test_a_run_is_scored_by_the_scorer_that_its_config_names(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    replies = {"change to 3": [{"refusal": "no"}], **script(9, 4, 10, 9)}
    config = make_config(
        write_benchmark(5),
        benchmark={"categories": ["物理", "环境", "社会", "因果", "指代"]},
        reward_model={"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": replies}},
        scorer={"class_path": "src.rewards.scorers.vie.VIEScorer"},
    )
    report = evaluate(config).report
    overall = report["overall_statistics"]
    assert (overall["mean"], overall["num_samples"], overall["total"]) == (6.0, 4, 5)
    assert report["statuses"] == {"scored": 4, "refused": 1}
    assert set(report["scorer"]["prompts"]) == {"vie_score/semantic_consistency v1", "vie_score/perceptual_quality v1"}
