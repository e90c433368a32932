"""What no scorer can judge costs no edit, and is said before anything is edited."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.audit.run import audit
from src.config import Config, load_config
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.rewards.base import ScorerSetting
from src.rewards.build import build_scorer
from src.rewards.judge_handle import JudgeHandle
from tests.conftest import item
from tests.test_resume import resumed, timings

Write = Callable[..., Path]
Make = Callable[..., Config]

UNLOADABLE = {"class_path": "tests.plugins.UnloadableEditor"}
REFERENCE_JUDGE = {"class_path": "src.models.reward.implementations.reference.ReferenceRewardModel"}
PROMPT = {"system_prompt": "s", "user_prompt_template": "u"}
REFERENCE_SCORE = "src.rewards.reference_score.ReferenceScore"
CATEGORY_SCORER = "src.rewards.category_scorer.CategoryScorer"

CONFIGS = sorted(Path(__file__).parent.parent.glob("configs/evaluation/*.yaml"))


def no_reference(index: int) -> dict[str, Any]:
    return item(index, reference_img_b64=None)


@pytest.mark.parametrize(
    ("scorer", "reason"),
    [
        ("category_scorer.CategoryScorer", "the sample has no reference image, by which ReferenceRewardModel judges"),
        ("reference_score.ReferenceScore", "the sample has no reference image"),
        ("format_reward.FormatReward", "a benchmark has no policy's text of which to check the form"),
        ("oracle_score.OracleScore", "the sample does not say from which difficulty, family and seed"),
    ],
)
def test_a_benchmark_that_the_scorer_cannot_judge_is_not_edited_and_check_says_so(
    write_benchmark: Write, make_config: Make, caplog: pytest.LogCaptureFixture, scorer: str, reason: str
) -> None:
    config = make_config(
        write_benchmark([no_reference(index) for index in range(4)]),
        diffusion_model=UNLOADABLE,
        reward_model=REFERENCE_JUDGE,
        scorer={"class_path": f"src.rewards.{scorer}"},
    )
    lines = list(check_run(config))
    (said,) = (line for line in lines if line.startswith("not applicable: "))
    assert said.startswith("not applicable: 4 of 4 samples, which are neither edited nor judged: " + reason)
    assert "to do    0 edits, 0 judgements from scratch" in lines
    report = evaluate(config).report
    assert report["statuses"] == {"not_applicable": 4}
    assert report["failures"][0]["reason"].startswith(reason)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in warnings if "is not applicable and is not edited: " + reason in text]) == 1
    assert timings(evaluate(resumed(config)))[:2] == (0, 0)


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_only_what_can_be_judged_is_edited(
    write_benchmark: Write, make_config: Make, tmp_path: Path, schedule: str
) -> None:
    log = tmp_path / "log"
    config = make_config(
        write_benchmark([item(0), no_reference(1), item(2), no_reference(3)]),
        diffusion_model={"params": {"log": str(log)}},
        reward_model=REFERENCE_JUDGE,
        evaluation={"schedule": schedule},
    )
    assert evaluate(config).report["statuses"] == {"scored": 2, "not_applicable": 2}
    assert log.read_text().split() == ["00000_物理_easy", "00002_社会_hard"]


def test_a_category_without_a_rubric_in_mid_file_stops_nothing_and_costs_no_edit(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    sections: dict[str, Any] = {
        "diffusion_model": {"params": {"log": str(log)}},
        "reward_model": {"class_path": "tests.plugins.PromptJudge"},
    }
    data = write_benchmark([item(0), item(1, subset="化学"), item(5)])
    config = make_config(data, **sections, prompts={"物理": PROMPT})
    report = evaluate(config).report
    assert report["statuses"] == {"scored": 2, "not_applicable": 1}
    assert "prompts.化学.system_prompt" in report["samples"][1]["reason"]
    assert len(log.read_text().split()) == 2
    with_prompt = resumed(make_config(data, **sections, prompts={"物理": PROMPT, "化学": PROMPT}))
    assert evaluate(with_prompt).report["statuses"] == {"scored": 3}


def test_a_part_that_cannot_apply_is_left_out_and_asked_nothing(write_benchmark: Write, make_config: Make) -> None:
    parts = [{"class_path": REFERENCE_SCORE, "name": "reference"}, {"class_path": CATEGORY_SCORER, "name": "judge"}]
    config = make_config(
        write_benchmark([item(0), no_reference(5), item(1), no_reference(6)]),
        reward_model={"class_path": "tests.plugins.PromptJudge"},
        prompts={"物理": PROMPT},
        scorer={"class_path": "src.rewards.combined_scorer.CombinedScorer", "params": {"parts": parts}},
    )
    rows = evaluate(config).report["samples"]
    assert [row["status"] for row in rows] == ["scored", "scored", "scored", "not_applicable"]
    assert [row["dimensions"].get("judge") for row in rows] == [7.0, 7.0, None, None]
    assert [row["dimensions"].get("reference") is None for row in rows] == [False, True, False, True]
    assert rows[3]["reason"].startswith("no part is applicable (reference: the sample has no reference image; judge: ")


FORMAT = {"class_path": "src.rewards.format_reward.FormatReward", "name": "form"}
COMBINED = "src.rewards.combined_scorer.CombinedScorer"
SIX = "src.rewards.six_dimension_reward.SixDimensionReward"
DEAF = "a benchmark has no policy's text of which to check the form"


@pytest.mark.parametrize(
    ("class_path", "params", "named"),
    [
        (COMBINED, {"parts": [{"class_path": REFERENCE_SCORE}, FORMAT]}, "form"),
        (COMBINED, {"parts": [{"class_path": SIX, "name": "six"}, {"class_path": REFERENCE_SCORE}]}, "six.format"),
        (SIX, {}, "format"),
        (SIX, {"strategy": "gated"}, "format"),
        (SIX, {"strategy": "max_deviation"}, "format"),
        (SIX, {"weights": {"format": 0}}, None),
        (SIX, {"strategy": "gated", "gate": 0}, None),
        (SIX, {"strategy": "max_deviation", "judged_share": 1}, None),
        (COMBINED, {"parts": [{"class_path": REFERENCE_SCORE}]}, None),
    ],
)
def test_what_a_benchmark_leaves_out_of_a_training_score_is_said_by_check_and_once_by_the_run(
    write_benchmark: Write,
    make_config: Make,
    caplog: pytest.LogCaptureFixture,
    class_path: str,
    params: dict[str, Any],
    named: str | None,
) -> None:
    config = make_config(
        write_benchmark([item(index) for index in range(3)]),
        reward_model={"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": ["Score: 5"]}}},
        scorer={"class_path": class_path, "params": params},
    )
    said = [line for line in check_run(config) if line.startswith("left out of the score")]
    assert [line.partition(DEAF)[0] for line in said] == (
        [f"left out of the score for 3 of 3 samples: {named}: "] if named else []
    )
    evaluate(config)
    warned = [record.message for record in caplog.records if "left out of the score of" in record.message]
    assert len(warned) == bool(named)
    assert all(f"{named}: {DEAF}" in text for text in warned)


def test_an_audit_goes_on_past_a_category_without_a_rubric(write_benchmark: Write, make_config: Make) -> None:
    config = make_config(
        write_benchmark([item(0), item(1, subset="化学"), item(5)]),
        reward_model={"class_path": "tests.plugins.PromptJudge"},
        prompts={"物理": PROMPT},
    )
    statuses = audit(config).report["category_statistics"]
    assert set(statuses["物理"]["statuses"]) == {"scored"}
    assert set(statuses["化学"]["statuses"]) == {"not_applicable"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_judges_samples_without_a_reference(
    monkeypatch: pytest.MonkeyPatch, write_benchmark: Write, path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    config = load_config(path)
    assert config.reward_model is not None
    setting = ScorerSetting(JudgeHandle(config.reward_model), config.prompts, config.benchmark.language)
    scorer = build_scorer(config.scorer, setting)
    data = write_benchmark([no_reference(index) for index in range(5)])
    for sample in load_samples(str(data), Selection()):
        assert isinstance(sample, EditSample)
        assert scorer.inapplicable(sample) is None
