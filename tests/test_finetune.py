"""`finetune`: a token editor learns the answer alone, goes on exactly, and refuses data that are not its own."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
import logging
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.config_file import checked
from src.data.token_shards import TokenisedEdit, write_index, write_shard
from src.errors import ConfigError, DataError, EditLoopError, ModelError
from src.models.diffusion.implementations.token_edit import TokenEditModel
from src.models.tokens.checkpoint import codec_digest
from src.models.tokens.frozen_codec import freeze_codec, keep_codec
from src.training.finetune.config import FinetuneConfig, load_finetune_config
from src.training.finetune.lesson import IGNORED
from src.training.finetune.train import finetune, is_measured, lesson_of
from src.training.finetune.trainer import steps_of, trainer_arguments
from src.training.grpo.checkpoints import latest_checkpoint, unfounded_warnings_hidden
from tests.tiny_token_editors import CODEBOOK, tiny_token_editor, tiny_vocabulary, token_editor_folder  # noqa: F401

Settings = dict[str, Any]


def edit(index: int, rows: int = 2, columns: int = 2, **changes: Any) -> TokenisedEdit:
    def codes(first: int) -> Any:
        return tuple(
            tuple((7 * index + row * columns + column + first) % CODEBOOK for column in range(columns))
            for row in range(rows)
        )

    known: dict[str, Any] = {
        "sample_id": f"{index:05d}", "category": "物理", "instruction": "paint it"[: 3 + index % 5], "source": codes(0),
        "target": codes(5), "source_sha256": f"s{index}", "target_sha256": "t", "rationale": f"as {index}",
    }  # fmt: skip
    return TokenisedEdit(**(known | changes))


def tokens(folder: Path, model: Path, edits: list[TokenisedEdit], codec: str | None = None) -> Path:
    write_shard(folder / "shards" / "a.arrow", edits, {})
    write_index(folder, {"codec": codec or codec_digest(model), "image_area": None, "version": 1}, ["a.arrow"])
    return folder


@pytest.fixture
def settings(tmp_path: Path, token_editor_folder: Path) -> Settings:
    """A config of four steps on seven edits of two shapes, of which two epochs are begun."""
    edits = [edit(index, rows=2 + index % 2) for index in range(7)]
    return {
        "policy": {"model": str(token_editor_folder)},
        "token_edits": {"train": str(tokens(tmp_path / "tokens", token_editor_folder, edits))},
        "training": {
            "output_dir": str(tmp_path / "out"),
            "max_steps": 4,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "learning_rate": 1e-2,
            "save_steps": 1,
            "save_total_limit": 9,
            "report_to": [],
        },
    }


def config(settings: Settings, **training: Any) -> FinetuneConfig:
    merged = settings | {"training": settings["training"] | training}
    return checked(FinetuneConfig, merged, "test config")


def trained(settings: Settings, resume: bool = False, **training: Any) -> list[dict[str, Any]]:
    outcome = finetune(config(settings, **training), resume=resume)
    assert outcome is not None
    history: list[dict[str, Any]] = json.loads(outcome.history.read_text())
    return [entry for entry in history if "loss" in entry]


def logged(folder: Path) -> list[dict[str, Any]]:
    """The history of a training, but for what depends on the clock."""
    history: list[dict[str, Any]] = json.loads((folder / "history.json").read_text())
    of_the_clock = ("_runtime", "_per_second", "step_time")
    return [{key: entry[key] for key in entry if not key.endswith(of_the_clock)} for entry in history]


def stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_the_first_loss_is_the_mean_of_minus_log_p_over_the_answers_alone(settings: Settings) -> None:
    import torch

    settings["training"] |= {"max_steps": 1, "per_device_train_batch_size": 3, "gradient_accumulation_steps": 3}
    first = trained(settings)[0]["loss"]
    model, processor = tiny_token_editor()
    known, total, count = tiny_vocabulary(), 0.0, 0

    def text(words: str) -> list[int]:
        ids: list[int] = processor.tokenizer(words, add_special_tokens=False).input_ids
        return ids

    def picture(codes: Any) -> tuple[list[int], list[int]]:
        head = [known.picture_start, *text(f"{len(codes)}*{len(codes[0])}"), known.grid_end]
        body = [id for row in codes for id in (*(known.codes[code] for code in row), known.line_end)]
        return head, [*body, known.frame_end, known.picture_end]

    for one in (edit(index, rows=2 + index % 2) for index in range(7)):
        head, target = picture(one.target)
        source_head, source = picture(one.source)
        prompt = [known.bos, *source_head, *source, *text(one.instruction), *head]
        answer = [*target, known.eos]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt + answer])).logits[0].double()
        for place, token in enumerate(answer, start=len(prompt)):
            total -= float(logits[place - 1].log_softmax(-1)[token])
            count += 1
    assert math.isclose(first, total / count, rel_tol=1e-4)


def test_killed_and_resumed_equals_unbroken(settings: Settings, tmp_path: Path) -> None:
    trained(settings)
    whole, weights = logged(tmp_path / "out"), stored(tmp_path / "out" / "policy")
    for stop in (1, 3):  # within the first and the second epoch
        broken = tmp_path / f"broken{stop}"
        shutil.copytree(tmp_path / "out", broken)
        shutil.rmtree(broken / "policy")
        for step in range(stop + 1, 5):
            shutil.rmtree(broken / "checkpoints" / f"checkpoint-{step}")
        trained(settings, resume=True, output_dir=str(broken))
        assert logged(broken) == whole
        again = stored(broken / "policy")
        assert all(bool((again[name] == value).all()) for name, value in weights.items())


def test_what_the_trainers_say_without_reason_is_hidden(caplog: pytest.LogCaptureFixture) -> None:
    with unfounded_warnings_hidden():
        for name in ("transformers.trainer", "trl.trainer.grpo_trainer"):
            logging.getLogger(name).warning("There were missing keys in the checkpoint model loaded: [...]")
            logging.getLogger(name).warning("All reward functions returned None for the following kwargs: {...}")
            logging.getLogger(name).warning("something else")
    assert caplog.messages == ["something else"] * 2


def test_a_checkpoint_that_a_kill_has_torn_is_passed_over(tmp_path: Path) -> None:
    for step, state in {2: "{}", 9: '{"global_step": 9}', 10: '{"global_st', 11: "", 12: None}.items():
        (folder := tmp_path / f"checkpoint-{step}").mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-9"


def test_a_resumed_adapter_equals_an_unbroken_one(settings: Settings, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    settings["policy"]["lora"] = {"r": 2, "lora_alpha": 4}
    whole = trained(settings)
    weights = load_file(tmp_path / "out" / "policy" / "adapter_model.safetensors")
    assert weights
    assert not any("vqmodel" in name for name in weights)
    shutil.rmtree(tmp_path / "out" / "policy")
    for step in (3, 4):
        shutil.rmtree(tmp_path / "out" / "checkpoints" / f"checkpoint-{step}")
    assert [one["loss"] for one in trained(settings, resume=True)] == [one["loss"] for one in whole]
    again = load_file(tmp_path / "out" / "policy" / "adapter_model.safetensors")
    assert all(bool((again[name] == value).all()) for name, value in weights.items())


def test_the_editor_learns_and_its_folder_edits_with_the_codec_it_had(
    settings: Settings, tmp_path: Path, token_editor_folder: Path
) -> None:
    settings["training"] |= {"max_steps": 30, "save_steps": 30, "gradient_accumulation_steps": 1}
    losses = [one["loss"] for one in trained(settings)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    policy = tmp_path / "out" / "policy"
    assert codec_digest(policy) == codec_digest(token_editor_folder)
    TokenEditModel.check_weights({"model_name": str(policy)})
    TokenEditModel({"model_name": str(policy), "device": "cpu", "grid": [2, 2]})


def test_a_codec_that_was_rounded_in_storing_is_put_back(token_editor_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved = tmp_path / "saved"
    shutil.copytree(token_editor_folder, saved)
    before = load_file(saved / "model.safetensors")
    rounded = {name: weight.bfloat16() for name, weight in before.items()}
    save_file(rounded, saved / "model.safetensors", metadata={"format": "pt"})
    assert codec_digest(saved) != codec_digest(token_editor_folder)
    keep_codec(token_editor_folder, saved)
    assert codec_digest(saved) == codec_digest(token_editor_folder)
    after = load_file(saved / "model.safetensors")
    assert all(bool((after[name] == rounded[name]).all()) for name in rounded if "vqmodel" not in name)
    TokenEditModel({"model_name": str(saved), "device": "cpu", "grid": [2, 2]})


@pytest.mark.parametrize("largest", ["5GB", "20KB"], ids=["one file", "several files"])
def test_a_frozen_codec_has_no_buffers_to_store_and_is_stored_whole(
    token_editor_folder: Path, tmp_path: Path, largest: str
) -> None:
    model, processor = tiny_token_editor()
    freeze_codec(model.model.vqmodel)
    assert model.state_dict().keys() <= dict(model.named_parameters()).keys()
    assert not any(weight.requires_grad for weight in model.model.vqmodel.parameters())
    model.save_pretrained(tmp_path, max_shard_size=largest)
    processor.save_pretrained(tmp_path)
    keep_codec(token_editor_folder, tmp_path)
    assert codec_digest(tmp_path) == codec_digest(token_editor_folder)
    editor = TokenEditModel({"model_name": str(tmp_path), "device": "cpu", "grid": [2, 2]})
    assert editor is not None


def test_a_thought_is_learned_and_its_prefill_is_not(settings: Settings, tmp_path: Path) -> None:
    settings["token_edits"] |= {"thinking_tokens": 8, "thinking_prefill": " think:", "thinking_suffix": "."}
    lesson = lesson_of(config(settings))
    row = lesson.read(tmp_path)[0].rows[3]
    learned = [token for token, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
    assert learned == row["labels"][-len(learned) :]
    decode = tiny_token_editor()[1].tokenizer.decode
    known = tiny_vocabulary()
    start = learned.index(known.picture_start)
    assert decode(learned[:start]) == "as 3."
    assert decode(row["input_ids"][: -len(learned)]).endswith(" think:")


@pytest.mark.parametrize("changes", [{}, {"thinking_tokens": 6}, {"thinking_tokens": 3, "instruction_first": True}])
def test_lengths_are_known_without_codes(settings: Settings, tmp_path: Path, changes: Settings) -> None:
    settings["token_edits"] |= changes
    rows: Any = lesson_of(config(settings)).read(tmp_path)[0].rows
    assert [rows.length(shape) for shape in rows.edits.shapes()] == [len(row["input_ids"]) for row in rows]


def test_folders_are_mixed_by_their_coefficients(settings: Settings, tmp_path: Path, token_editor_folder: Path) -> None:
    more = tokens(tmp_path / "more", token_editor_folder, [edit(index) for index in range(20, 23)])
    files = [{"path": settings["token_edits"]["train"], "coefficient": 2}, {"path": str(more)}]
    settings["token_edits"]["train"] = files
    assert len(lesson_of(config(settings)).read(tmp_path)[0].rows) == 2 * 7 + 3


def test_what_is_held_out_is_measured(settings: Settings, tmp_path: Path, token_editor_folder: Path) -> None:
    held_out = tokens(tmp_path / "held_out", token_editor_folder, [edit(index) for index in range(20, 23)])
    settings["token_edits"]["held_out"] = str(held_out)
    trained(settings, max_steps=2)
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    assert [entry["step"] for entry in history if "eval_loss" in entry] == [1, 2]


def test_an_edit_that_is_too_long_is_left_out_and_named(
    settings: Settings, tmp_path: Path, token_editor_folder: Path
) -> None:
    edits = [edit(0), edit(1, rows=30, columns=30)]
    settings["token_edits"]["train"] = str(tokens(tmp_path / "long", token_editor_folder, edits))
    train, _ = lesson_of(config(settings)).read(tmp_path)
    assert len(train.rows) == 1
    assert "1024 positions" in train.left_out["00001"]
    settings["token_edits"]["train"] = str(tokens(tmp_path / "all", token_editor_folder, edits[1:]))
    with pytest.raises(DataError, match=r"00001.*1024 positions"):
        lesson_of(config(settings)).read(tmp_path)


def test_data_of_another_codec_are_refused_before_a_model_loads(
    settings: Settings, tmp_path: Path, token_editor_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.training.finetune.token_edits.load_token_editor", lambda *_: pytest.fail("it loads"))
    other = tokens(tmp_path / "other", token_editor_folder, [edit(0)], codec="another")
    settings["token_edits"]["train"] = str(other)
    with pytest.raises(DataError, match="another codec"):
        finetune(config(settings))
    strange = tokens(tmp_path / "strange", token_editor_folder, [edit(0, target=((CODEBOOK, 0),))])
    settings["token_edits"]["train"] = str(strange)
    with pytest.raises(DataError, match=f"codes from 0 to {CODEBOOK}"):
        finetune(config(settings))
    settings["token_edits"]["train"] = str(tokens(tmp_path / "none", token_editor_folder, []))
    with pytest.raises(DataError, match="nothing is left"):
        finetune(config(settings))


def test_held_out_sources_that_are_trained_on_are_refused(
    settings: Settings, tmp_path: Path, token_editor_folder: Path
) -> None:
    settings["token_edits"]["held_out"] = str(tokens(tmp_path / "same", token_editor_folder, [edit(3)]))
    with pytest.raises(DataError, match="00003 = 00003"):
        lesson_of(config(settings)).read(tmp_path)


@pytest.mark.parametrize(
    ("section", "changes", "reason"),
    [
        ("training", {"learning_rat": 1}, "learning_rate"),
        ("token_edits", {"thinking_suffix": "."}, "thinking_tokens"),
        ("policy", {"trust_remote_code": True}, "no effect on a token editor"),
        ("training", {"min_learning_rate": 1e-6}, "cosine_with_min_lr"),
        ("training", {"warmup_steps": 4}, "warmup_steps"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Settings, section: str, changes: Settings, reason: str) -> None:
    settings[section] |= changes
    with pytest.raises(ConfigError, match=reason):
        config(settings)


def test_other_models_and_adapters_are_refused(settings: Settings, tmp_path: Path) -> None:
    settings["policy"]["lora"] = {"target_modules": ["no_such_layer"]}
    with pytest.raises(ConfigError, match="no_such_layer"):
        lesson_of(config(settings)).check_model()
    settings["policy"] = {"model": "assets/miniature/policy"}
    with pytest.raises(ModelError, match="edits in no tokens"):
        lesson_of(config(settings)).check_model()


def test_one_process_that_sees_several_gpus_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.TrainingArguments.n_gpu", 2)
    with pytest.raises(ConfigError, match="accelerate launch"):
        finetune(config(settings))


def test_resuming_with_other_settings_is_refused(settings: Settings) -> None:
    trained(settings, max_steps=1)
    with pytest.raises(EditLoopError, match=r"training\.learning_rate"):
        finetune(config(settings, max_steps=1, learning_rate=1e-3), resume=True)


@pytest.mark.parametrize("command", [["check"], ["finetune", "--dry-run"]], ids=lambda words: words[0])
def test_a_check_says_what_would_be_done_and_trains_nothing(
    settings: Settings, tmp_path: Path, command: list[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(settings))
    done = CliRunner().invoke(app, [*command, "--config", str(path)])
    assert done.exit_code == 0, done.output
    assert "an epoch of 7 edits" in done.output
    assert "4 steps of 4 sequences" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", sorted(Path("configs/finetune").glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_are_configs_whose_trainer_takes_them(path: Path) -> None:
    loaded = load_finetune_config(path, ["training.bf16=false", "training.report_to=[]"])
    arguments = trainer_arguments(loaded, is_measured=is_measured(loaded))
    assert arguments.learning_rate == loaded.training.learning_rate
    assert steps_of(arguments, 1_000) > 0
