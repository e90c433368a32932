"""A policy is told every rule by which the form of its text is judged, and is never judged by a form it cannot know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.config import ModelConfig
from src.errors import ConfigError
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import ScorerSetting
from src.rewards.scorers.combined import CombinedScorer
from src.rewards.scorers.format import FormatScorer
from src.rewards.scorers.six_dimension import SixDimensionScorer
from src.training.dataset import ImageStore, read_split
from src.training.held_out.edits import rewriting_editor
from src.training.validate import validate
from tests.test_training_validation import MakeRun, make_run, policy_folder

__all__ = ["make_run", "policy_folder"]

FORMAT = "src.rewards.scorers.format.FormatScorer"
COMBINED = "src.rewards.scorers.combined.CombinedScorer"
SIX = "src.rewards.scorers.six_dimension.SixDimensionScorer"
JUDGE = {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {}}}
ORACLE = "oracle_score.OracleScorer"


def test_scorers_that_count_the_form_pass_its_rules_on_and_others_have_none() -> None:
    judge = JudgeHandle(ModelConfig(class_path="tests.scripted_judge.ScriptedJudge", params={"script": {}}))
    six = SixDimensionScorer({"format": {"length_limits": [7, 8, 9]}}, ScorerSetting(judge))
    assert "within 7 characters" in six.policy_rules("en")
    parts = [{"class_path": f"src.rewards.{name}"} for name in ("format_reward.FormatScorer", ORACLE)]
    combined = CombinedScorer({"parts": parts})
    assert combined.policy_rules("en") == FormatScorer().policy_rules("en")
    assert CombinedScorer({"parts": parts[1:]}).policy_rules("en") == ""


@pytest.mark.parametrize(
    "scorer",
    [
        {"class_path": FORMAT, "params": {"style": "think_answer"}},
        {"class_path": COMBINED, "params": {"parts": [{"class_path": FORMAT, "params": {"style": "think_answer"}}]}},
        {"class_path": SIX, "params": {"format": {"style": "think_answer"}}},
    ],
)
@pytest.mark.parametrize("place", ["scorer", "evaluation"])
def test_a_form_that_the_rewriting_prompt_does_not_ask_for_is_refused_before_anything_loads(
    make_run: MakeRun, scorer: dict[str, Any], place: str
) -> None:
    with pytest.raises(ConfigError, match="demands <think>, <answer>"):
        validate(make_run(reward_model=JUDGE, **_as(place, scorer)))


def test_the_policy_is_told_the_rules_in_training_and_in_the_comparison_after_it(
    make_run: MakeRun, tmp_path: Path
) -> None:
    config = make_run(scorer={"class_path": FORMAT, "params": {"length_limits": [41, 83, 127]}})
    checked = validate(config)
    rules = FormatScorer({"length_limits": [41, 83, 127]}).policy_rules("en")
    split = read_split(checked.task, config.data, 0, ImageStore(tmp_path / "images"))
    assert all(example.system.endswith(rules) for example in split.train)
    assert rewriting_editor(config, checked.task.policy_prompt, 8).params["rules"] == rules
    plain = make_run(scorer={"class_path": f"src.rewards.{ORACLE}"})
    assert "rules" not in rewriting_editor(plain, validate(plain).task.policy_prompt, 8).params


def _as(place: str, scorer: dict[str, Any]) -> dict[str, Any]:
    oracle = {"class_path": f"src.rewards.{ORACLE}"}
    if place == "scorer":
        return {"scorer": scorer}
    return {"scorer": oracle, "evaluation": {"scorer": scorer, "reward_model": JUDGE}}
