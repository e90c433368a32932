"""GRPO of a token editor in TRL's own loop: resumed exactly, adapter or whole model, and an entry of the benchmark."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from src.config import ModelConfig
from src.errors import DataError, EditLoopError, ModelError
from src.models.diffusion.implementations.token_decoder import TokenDecoder
from src.models.tokens.checkpoint import codec_digest
from src.models.tokens.picture_codec import PictureCodec
from src.training.check import check_training
from src.training.config import TrainingConfig, parse_training_config
from src.training.storage.record import CompletionRow, TrainingRecord
from src.training.train import train
from tests.conftest import item
from tests.test_conditioning_training import Killed
from tests.test_training_run import history
from tests.tiny_token_editors import token_editor_folder  # noqa: F401 (fixture)
from tests.training_plugins import DelayedJudge

pytestmark = pytest.mark.timeout(300)

TASK = "src.training.tasks.token_edit.TokenEditTask"
STEPS, ROWS = 3, 4
AREA = 32 * 32
"""Pixels: 4 × 4 codes of a square."""

MakeRun = Callable[..., TrainingConfig]


@pytest.fixture
def make_run(tmp_path: Path, write_benchmark: Callable[..., Path], token_editor_folder: Path) -> MakeRun:
    data = write_benchmark([item(index, edit_instruction_en=f"make the sky {index}") for index in range(2)])
    held_out = write_benchmark([item(9, edit_instruction_en="remove the tree")], "held_out.json")

    def make(name: str, grpo: dict[str, Any] | None = None, **sections: Any) -> TrainingConfig:
        config = {
            "policy": {"model": str(token_editor_folder)},
            "task": {"class_path": TASK, "params": {"image_area": AREA}},
            "data": {"train": str(data), "held_out": str(held_out)},
            "reward_model": {"class_path": "tests.training_plugins.PixelJudge"},
            "training": {
                "output_dir": str(tmp_path / name),
                "patience": 0,
                "show_every": 2,
                "grpo": {
                    "per_device_train_batch_size": ROWS,
                    "num_generations": ROWS,
                    "max_completion_length": 64,
                    "max_steps": STEPS,
                    "learning_rate": "1e-2",
                    "gradient_checkpointing": False,
                    "save_steps": 1,
                    "report_to": "none",
                    **(grpo or {}),
                },
            },
            **sections,
        }
        return parse_training_config(config, "test")

    return make


def completions(config: TrainingConfig) -> list[CompletionRow]:
    with closing(TrainingRecord(config.training.output_dir / "record")) as record:
        return [row for step in range(1, STEPS + 1) for row in record.completions(step)]


@pytest.mark.parametrize("lora", [None, {"r": 4, "lora_alpha": 8}], ids=["whole", "adapter"])
def test_a_resumed_training_is_the_unbroken_one_and_its_policy_becomes_an_entry_of_the_benchmark(
    make_run: MakeRun, lora: dict[str, Any] | None
) -> None:
    policy = {"model": make_run("x").policy.model, "lora": lora}
    unbroken, killed = (make_run(name, {"beta": 0.01}, policy=policy) for name in ("unbroken", "killed"))
    outcome = train(unbroken)
    assert outcome is not None
    with pytest.raises(KeyboardInterrupt):
        train(killed, callbacks=[Killed()])
    made = {path.name for path in (killed.training.output_dir / "record" / "edits").rglob("*.png")}
    train(killed, resume=True)
    rows = completions(unbroken)
    assert completions(killed) == rows
    assert history(killed) == history(unbroken)
    assert len(rows) == STEPS * ROWS
    assert {f"{row.edit_key}.png" for row in rows[: 2 * ROWS]} == made  # step 2 was decoded once
    assert len({row.edit_key for row in rows}) == len({row.reward for row in rows}) == STEPS * ROWS
    [gain] = outcome.gains
    assert (gain.samples, gain.coverage) == (1, 1.0)
    assert gain.before != gain.after


def test_the_judge_sees_the_source_of_the_data_and_not_what_its_codes_make_of_it(make_run: MakeRun) -> None:
    run = make_run("run", {"max_steps": 1}, evaluation={"enabled": False})
    DelayedJudge.seen = []
    train(run.model_copy(update={"reward_model": ModelConfig(class_path="tests.training_plugins.DelayedJudge")}))
    assert len(DelayedJudge.seen) == ROWS
    assert {words for words, _ in DelayedJudge.seen} <= {"make the sky 0", "make the sky 1"}
    assert {pixel for _, pixel in DelayedJudge.seen} <= {(0, 40, 90), (1, 40, 90)}


def test_thoughts_are_recorded_and_trained_in_turns_with_pictures(make_run: MakeRun) -> None:
    schedule = [{"tokens": "text", "steps": 1}, {"tokens": "picture", "steps": 1}]
    params = {"image_area": AREA, "thinking_tokens": 6, "trained_tokens": schedule}
    run = make_run("run", task={"class_path": TASK, "params": params}, evaluation={"enabled": False})
    train(run)
    rows = completions(run)
    entries = json.loads((run.training.output_dir / "history.json").read_text(encoding="utf-8"))
    logged = [entry for entry in entries if "loss" in entry]
    assert len({row.completion for row in rows}) > ROWS
    assert len({row.edit_key for row in rows}) == STEPS * ROWS
    lengths = [entry["completions/mean_length"] for entry in logged]
    assert lengths[1] == 16  # the codes
    assert max(lengths[0], lengths[2]) <= 7
    assert all(0 < entry["tokens/thought"] <= 6 for entry in logged)
    assert all(0 < entry["tokens/allowed_mass"] < 1 for entry in logged)
    page = (run.training.output_dir / "shown" / "step_000002.html").read_text(encoding="utf-8")
    assert page.count("data:image") == 1 + ROWS  # the source and the edits


def test_an_edit_that_cannot_be_decoded_is_masked_and_spoils_no_other(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = PictureCodec.decode, []

    def broken(self: PictureCodec, codes: Any) -> Any:
        calls.append(codes)
        if len(calls) == 2:
            raise ModelError("the VQ-VAE made NaN or infinite pixels")
        return real(self, codes)

    monkeypatch.setattr(PictureCodec, "decode", broken)
    run = make_run("run", {"max_steps": 1}, evaluation={"enabled": False})
    train(run)
    rows = completions(run)
    assert [row.reward is None for row in rows].count(True) == 1
    [failed] = [row for row in rows if row.reward is None]
    assert "NaN" in str(failed.reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"diffusion_model": {"class_path": "tests.training_plugins.ToneEditor"}}, "is the editor itself; leave"),
        ({"task": {"params": {"trained_tokens": "text"}}}, "has no text to train"),
        ({"task": {"params": {"trained_tokens": [{"tokens": "text", "steps": 2}]}}}, "has no text to train"),
        ({"task": {"params": {"trained_tokens": []}}}, "trained_tokens"),
        ({"policy": {"image_max_side": 64}}, "task.params.image_area"),
        ({"policy": {"freeze_vision_tower": False}}, "the VQ-VAE is never trained"),
        ({"policy": {"trust_remote_code": True}}, "no code that comes with"),
        ({"policy": {"lora": {"lora_dropout": 0.1}}}, "without dropout"),
        ({"policy": {"model": "assets/miniature/judge"}}, "policy.model: .*edits in no tokens"),
        ({"training": {"engine": "ray"}}, "engine: ray: the editor is the policy"),
        ({"evaluation": {"max_new_tokens": 9}}, "evaluation.max_new_tokens"),
        ({"evaluation": {"diffusion_params": {"temprature": 1}}}, "temprature"),
        ({"grpo": {"use_vllm": True}}, "grpo.use_vllm: vLLM writes no pictures"),
        ({"grpo": {"top_k": 50}}, "grpo.top_k"),
        ({"grpo": {"top_p": 0.9}}, "grpo.top_p"),
        ({"grpo": {"generation_kwargs": {"num_beams": 1}}}, "grpo.generation_kwargs"),
        ({"grpo": {"max_completion_length": 22}}, "has up to 23 tokens.*set it to 23"),
        ({"scorer": {"class_path": "src.rewards.scorers.format.FormatScorer"}}, "rewards the form"),
    ],
)
def test_what_cannot_be_is_said_before_anything_loads(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(TokenDecoder, "_initialize", lambda self: pytest.fail("the VQ-VAE was loaded"))
    plain = make_run("run").model_dump(mode="json")
    grpo = changes.pop("grpo", {})
    changed = {**plain, **{name: _over(plain.get(name), value) for name, value in changes.items()}}
    changed["training"]["grpo"] |= grpo
    with pytest.raises(EditLoopError, match=reason):
        train(parse_training_config(changed, "test"))


def _over(section: Any, changes: dict[str, Any]) -> dict[str, Any]:
    """A section with changes within it."""
    old = section or {}
    return {**old, **{k: _over(old.get(k), v) if isinstance(v, dict) and old.get(k) else v for k, v in changes.items()}}


def test_an_example_without_room_is_left_out_and_named(
    make_run: MakeRun, write_benchmark: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    words = ["make the sky red", "x" * 1000]
    data = write_benchmark([item(place, edit_instruction_en=text) for place, text in enumerate(words)], "long.json")
    run = make_run("run", {"max_steps": 1}, data={"train": str(data)})
    train(run)
    assert {row.request for row in completions(run)} == {words[0]}
    assert "and the policy has 1024 positions" in caplog.text
    long = write_benchmark([item(0, edit_instruction_en=words[1])], "longer.json")
    with pytest.raises(DataError, match="no example has room"):
        train(make_run("other", data={"train": str(long)}))


@pytest.mark.parametrize("lora", [None, {"r": 4}], ids=["whole", "adapter"])
def test_no_weight_of_the_codec_is_trained_or_adapted(make_run: MakeRun, lora: dict[str, Any] | None) -> None:
    folder = make_run("x").policy.model
    run = make_run("run", {"max_steps": 1}, policy={"model": folder, "lora": lora}, evaluation={"enabled": False})
    outcome = train(run)
    assert outcome is not None
    if lora is None:
        assert codec_digest(outcome.policy) == codec_digest(Path(folder))
        assert (outcome.policy / "model.safetensors").read_bytes() != (Path(folder) / "model.safetensors").read_bytes()
    else:
        names = list(load_file(outcome.policy / "adapter_model.safetensors"))
        assert names
        assert not [name for name in names if "vqmodel" in name]


def test_check_says_what_the_training_would_do_and_hold(make_run: MakeRun, tmp_path: Path) -> None:
    lines = list(check_training(make_run("run"), tmp_path / "config.yaml"))
    text = "\n".join(lines)
    assert "TokenEditTask, scored by" in text
    assert f"{STEPS * ROWS} completions, at most as many edits" in text
    assert "528 tokens of prompt and picture, 64 of completion" in text  # 16 codes and the estimate of a text
    assert "policy, editor" in text
