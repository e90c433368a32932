"""The examples of docs/scorers.md, built as a run would build them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from src.config import ModelConfig
from src.models.vlm.prompts import PROMPTS_FOLDER
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.core.scorer import ScorerSetting
from src.rewards.scorers.six_dimension import SixDimensionScorer
from tests.judged_edits import build_scorer, edit, judged, prompts_in

PAGE = (Path(__file__).parent.parent / "docs" / "scorers.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block)["scorer"] for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
JUDGE = ModelConfig(class_path="tests.scripted_judge.ScriptedJudge")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["class_path"].rpartition(".")[2])
def test_every_example_is_a_scorer_of_the_table(example: dict[str, object]) -> None:
    scorer = build_scorer(ModelConfig(**example), ScorerSetting(JudgeHandle(JUDGE)))  # type: ignore[arg-type]
    assert f"{type(scorer).__module__}.{type(scorer).__name__}" == example["class_path"]
    assert f"`{str(example['class_path']).removeprefix('src.rewards.scorers.')}`" in PAGE


def test_the_six_dimensions_are_shown_with_their_defaults() -> None:
    (params,) = [example["params"] for example in EXAMPLES if example["class_path"].endswith("SixDimensionScorer")]
    assert SixDimensionScorer.Params(**params) == SixDimensionScorer.Params()


def test_the_scorer_of_ones_own_works(tmp_path: Path) -> None:
    shutil.copytree(PROMPTS_FOLDER / "shared", tmp_path / "shared")
    (tmp_path / "sharpness").mkdir()
    text = '{# sharpness/edges v1 #}\n{% extends "shared/frame.en.j2" %}\n{% block criteria %}Sharp?{% endblock %}'
    (tmp_path / "sharpness/edges.en.j2").write_text(text, "utf-8")
    names: dict[str, type[JudgedScorer]] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)
    with prompts_in(tmp_path):
        scorer = judged(names["Sharpness"], {"Sharp?": ["Score: 8"]})
        assert list(scorer.prompt_versions()) == ["sharpness/edges v1"]
        assert scorer.score([edit()])[0].score == 8.0
