"""The gate in both directions on real runs of the shipped miniature editor, judged exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.config import parse_config
from src.pipeline.evaluation import evaluate

ROOT = Path(__file__).resolve().parents[1]
EDITOR: dict[str, Any] = {
    **{"model_name": "assets/miniature/editor", "num_inference_steps": 2, "true_cfg_scale": 1.0},
    **{"output_resolution": 64, "condition_resolution": 64, "vl_resolution": 64, "batch_size": 16},
}


def edited(folder: Path, seed: int, **params: Any) -> Path:
    """A run of the editor on one category, of which it can do most."""
    sections = {
        "benchmark": {"data_path": "assets/miniature/benchmark.json", "categories": ["社会"]},
        "diffusion_model": {
            "class_path": "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel",
            "params": EDITOR | params,
        },
        "scorer": {"class_path": "src.miniature.oracle_scorer.OracleScorer"},
        "runtime": {"seed": seed},
        "evaluation": {"output_dir": str(folder)},
    }
    evaluate(parse_config(sections, "gate"))
    return folder


def gated(base: Path, new: Path, folder: Path) -> Any:
    words = ["compare", str(base), str(new), "--fail-if-worse", "0.3", "--output-dir", str(folder), "--no-page"]
    return CliRunner().invoke(app, words)


def test_another_seed_passes_the_gate_and_an_editor_that_sees_less_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    base = edited(tmp_path / "base", 1)
    same = gated(base, edited(tmp_path / "other_seed", 2), tmp_path)
    assert same.exit_code == 0, same.output
    worse = gated(base, edited(tmp_path / "blurred", 1, condition_resolution=32), tmp_path)
    assert worse.exit_code == 1, worse.output
    assert "worse by more than 0.3" in worse.output
