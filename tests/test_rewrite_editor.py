"""`RewriteEditor` as an entry of the benchmark, and before against after on held-out samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.errors import ConfigError, ModelError
from src.models.diffusion.implementations.rewrite_editor import RewriteEditor
from src.pipeline.evaluation import evaluate
from src.training.config import parse_training_config
from src.training.train import train
from tests.conftest import item
from tests.tiny_policies import parrot_folder, policy_folder

__all__ = ["parrot_folder", "policy_folder"]

MakeConfig = Callable[..., Config]


def rewriting(policy: Path, tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """A section `diffusion_model`; `changes` are params."""
    inner = {"class_path": "tests.training_plugins.ToneEditor", "params": {"log": str(tmp_path / "edits.log")}}
    return {
        "class_path": "src.models.diffusion.implementations.rewrite_editor.RewriteEditor",
        "params": {"policy": str(policy), "max_new_tokens": 32, "batch_size": 2, "editor": inner, **changes},
    }


def edits(tmp_path: Path) -> list[str]:
    return (tmp_path / "edits.log").read_text(encoding="utf-8").splitlines()


def test_the_editor_gets_the_rewrite_and_the_judge_the_users_instruction(
    parrot_folder: Path, tmp_path: Path, write_benchmark: Callable[..., Path], make_config: MakeConfig
) -> None:
    from tests.training_plugins import DelayedJudge

    data = write_benchmark([item(index) for index in range(3)])
    judge = {"class_path": "tests.training_plugins.DelayedJudge"}
    config = make_config(data, diffusion_model=rewriting(parrot_folder, tmp_path), reward_model=judge)
    rows = evaluate(config).report["samples"]
    assert [line.split("|")[0] for line in edits(tmp_path)] == ["paint 7"] * 3
    assert [row["score"] for row in rows] == pytest.approx([7, 7, 7], abs=0.02)
    assert sorted(instruction for instruction, _ in DelayedJudge.seen) == ["change to 0", "change to 1", "change to 2"]


def test_the_second_pass_edits_the_result_of_the_users_own_instruction(parrot_folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    editor = RewriteEditor(rewriting(parrot_folder, tmp_path, prompt="second_pass")["params"])
    source = Image.new("RGB", (16, 16), (1, 2, 3))
    assert editor.edit_image(source, "paint 2", seed=5).getpixel((0, 0)) == (178, 178, 178)
    assert edits(tmp_path) == ["paint 2|5|(1, 2, 3)", "paint 7|5|(51, 51, 51)"]


def test_the_inner_editor_gets_batches_of_its_own_size(
    parrot_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    from tests.plugins import BatchEditor

    monkeypatch.setattr(BatchEditor, "batches", [])
    inner = {"class_path": "tests.plugins.BatchEditor"}
    editor = RewriteEditor(rewriting(parrot_folder, tmp_path, batch_size=6, editor=inner)["params"])
    sources = [Image.new("RGB", (16, 16), (place, 0, 0)) for place in range(6)]
    assert len(editor.batch_edit(sources, ["x"] * 6, seeds=list(range(6)))) == 6
    assert BatchEditor.batches == [4, 2]


def test_an_unreadable_rewrite_is_a_failed_edit_with_its_reason(
    policy_folder: Path, tmp_path: Path, write_benchmark: Callable[..., Path], make_config: MakeConfig
) -> None:
    config = make_config(write_benchmark(3), diffusion_model=rewriting(policy_folder, tmp_path, max_new_tokens=4))
    report = evaluate(config).report
    assert report["statuses"]["edit_failed"] == 3
    assert all("UnreadableRewrite: the rewrite cannot be read: cut off" in row["reason"] for row in report["samples"])
    assert not (tmp_path / "edits.log").exists()


def test_the_identity_changes_with_policy_prompt_and_inner_editor_and_with_nothing_else(
    policy_folder: Path, parrot_folder: Path, tmp_path: Path
) -> None:
    def identity(policy: Path = policy_folder, **changes: Any) -> str:
        return json.dumps(RewriteEditor.identity(rewriting(policy, tmp_path, **changes)["params"]), sort_keys=True)

    other_editor = {"class_path": "tests.training_plugins.ToneEditor", "params": {"strength": 2}}
    assert identity() == identity(batch_size=7, device="cpu")
    assert (
        len({identity(), identity(parrot_folder), identity(prompt="second_pass"), identity(editor=other_editor)}) == 4
    )


def test_a_wrong_inner_editor_or_a_missing_adapter_is_found_before_anything_loads(
    policy_folder: Path, tmp_path: Path
) -> None:
    wrong = {"class_path": "tests.training_plugins.ToneEditr", "params": {}}
    with pytest.raises(ConfigError, match="Did you mean 'ToneEditor'"):
        RewriteEditor.identity(rewriting(policy_folder, tmp_path, editor=wrong)["params"])
    with pytest.raises(ModelError, match="no weights at"):
        RewriteEditor.identity(rewriting(policy_folder, tmp_path, adapter="./nowhere")["params"])


@pytest.mark.parametrize("lora", [None, {"r": 4, "lora_alpha": 8}])
def test_a_training_run_compares_before_and_after_on_held_out_samples(
    parrot_folder: Path, tmp_path: Path, write_benchmark: Callable[..., Path], lora: dict[str, Any] | None
) -> None:
    data = write_benchmark([item(index) for index in range(12)])
    config = parse_training_config(
        {
            "policy": {"model": str(parrot_folder), "lora": lora},
            "data": {"train": str(data), "held_out": 0.4},
            "diffusion_model": {"class_path": "tests.training_plugins.ToneEditor"},
            "scorer": {"class_path": "src.rewards.scorers.reference.ReferenceScorer"},
            "training": {
                "output_dir": str(tmp_path / "run"),
                "show_every": 0,
                "grpo": {
                    "max_steps": 1,
                    "per_device_train_batch_size": 4,
                    "num_generations": 4,
                    "max_completion_length": 32,
                    "learning_rate": 0.0,
                    "gradient_checkpointing": False,
                    "report_to": "none",
                },
            },
            "evaluation": {
                "scorer": {"class_path": "src.rewards.scorers.category.CategoryScorer"},
                "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            },
        },
        "test",
    )
    trained, independent = train(config).gains
    assert (trained.scorer, independent.scorer) == ("ReferenceScorer", "CategoryScorer")
    assert independent.samples > 2
    assert independent.coverage == 1
    assert (independent.before, independent.after) == pytest.approx((7, 7), abs=0.02)  # a rate of 0 changes nothing
    assert independent.ci95 is None  # so few samples that agree say nothing of others
    stored = json.loads((tmp_path / "run" / "gains.json").read_text(encoding="utf-8"))
    assert stored[1]["difference"] == 0
