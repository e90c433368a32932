"""Pictures and tables in tensorboard, wandb and trackio: the real ones, without a network, read back from disk."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sqlite3
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.errors import ConfigError
from src.training.config import parse_training_config
from src.training.tasks.base import UnparsableCompletion
from src.training.tracking import trackers
from src.training.tracking.trackers import open_trackers
from src.training.train import train
from tests.conftest import item
from tests.tiny_policies import policy_folder
from tests.training_plugins import AnythingTask, ToneEditor

__all__ = ["policy_folder"]

SECRET = "hf_nobody_may_read_this"


class HalfReadableTask(AnythingTask):
    """Finds no instruction in every fourth completion."""

    reads = 0

    def read(self, completion: str) -> str:
        self.reads += 1
        if self.reads % 4 == 0:
            raise UnparsableCompletion("nothing is asked for")
        return completion


def tone_of(instruction: str) -> int:
    return zlib.crc32(instruction.encode()) % 256


class ToneOfWordsEditor(ToneEditor):
    """Every instruction has its own brightness."""

    def edit_image(self, original_image: Image.Image, edit_instruction: str, *args: Any, **kwargs: Any) -> Image.Image:
        tone = tone_of(edit_instruction)
        return Image.new("RGB", original_image.size, (tone, tone, tone))


def run_config(folder: Path, policy: Path, **grpo: Any) -> dict[str, Any]:
    """Two steps of two prompts with four completions each, all shown; the first edit that is judged gets no verdict."""
    data, left = folder / "data.json", folder / "left"
    data.write_text(json.dumps([item(index, edit_instruction_en=f"wish {index}") for index in range(3)]))
    left.write_text("1")
    settings = {
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 8,
        "max_steps": 2,
        "gradient_checkpointing": False,
        "save_strategy": "no",
    }
    plugins = "tests.training_plugins"
    return {
        "policy": {"model": str(policy)},
        "task": {"class_path": "tests.test_trackers.HalfReadableTask"},
        "data": {"train": str(data)},
        "diffusion_model": {"class_path": "tests.test_trackers.ToneOfWordsEditor"},
        "reward_model": {"class_path": f"{plugins}.FlakyJudge", "params": {"left": str(left)}},
        "training": {
            "output_dir": str(folder / "out"),
            "patience": 0,
            "show_every": 1,
            "grpo": settings | grpo,
        },
    }


def without_network(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Lets wandb and trackio write below the folder only."""
    import wandb

    wandb.teardown()
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        patch.delenv(name)
    for name in ("DIR", "DATA_DIR", "CACHE_DIR", "CONFIG_DIR"):
        patch.setenv(f"WANDB_{name}", str(folder))
    patch.setenv("WANDB_ERROR_REPORTING", "false")
    patch.setenv("NETRC", str(folder / "netrc"))
    importlib.import_module("trackio")  # reads TRACKIO_DIR, and has perhaps done so for another test
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "trackio"]:
        for name, place in (("TRACKIO_DIR", folder / "trackio"), ("MEDIA_DIR", folder / "trackio" / "media")):
            if hasattr(module, name):
                patch.setattr(module, name, place)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, policy_folder: Path) -> Iterator[Path]:
    """The folder of a finished run that reports to all three."""
    import wandb

    folder = tmp_path_factory.mktemp("tracked")
    names = ["tensorboard", "wandb", "trackio"]
    config = run_config(folder, policy_folder, report_to=names)
    with pytest.MonkeyPatch.context() as patch:
        without_network(patch, folder)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("HF_TOKEN", SECRET)
        train(parse_training_config(config, "test"))
        wandb.finish()
        wandb.teardown()  # waits until all of the run is written
        yield folder


@dataclass(frozen=True)
class Logged:
    """What a tracker holds of one table, and of the run that it is in."""

    rows: list[dict[str, Any]]
    picture: Callable[[dict[str, Any]], Image.Image]
    metrics: list[dict[str, Any]]
    """All that was logged to the run, in order."""


def wandb_records(run_file: Path) -> Iterator[Any]:
    """The protobuf records of an offline run: a LevelDB log, whose blocks have 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole = run_file.read_bytes(), 7, b""
    while place < len(data):
        left_in_block = 32768 - place % 32768
        if left_in_block < 7:
            place += left_in_block
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield Record.FromString(whole)
            whole = b""


def logged_to_wandb(folder: Path, step: int) -> Logged:
    (run_file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    records = list(wandb_records(run_file))
    metrics = [
        {"/".join(one.nested_key) or one.key: json.loads(one.value_json) for one in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]
    artifacts = [record.artifact for record in records if record.WhichOneof("record_type") == "artifact"]
    files = {entry.path: Path(entry.local_path) for entry in artifacts[step - 1].manifest.contents}
    table = json.loads(files["edits.table.json"].read_text(encoding="utf-8"))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    return Logged(rows, lambda cell: Image.open(files[cell["path"]]), metrics)


def logged_to_trackio(folder: Path, step: int) -> Logged:
    with closing(sqlite3.connect(folder / "trackio" / "huggingface.db")) as database:
        stored = database.execute("SELECT run_id, metrics FROM metrics ORDER BY id").fetchall()
    assert len({run for run, _ in stored}) == 1
    metrics = [json.loads(text) for _, text in stored]
    tables = [one["edits"]["_value"] for one in metrics if "edits" in one]
    media = folder / "trackio" / "media"
    return Logged(tables[step - 1], lambda cell: Image.open(media / cell["file_path"]), metrics)


READERS = {"wandb": logged_to_wandb, "trackio": logged_to_trackio}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("step", [1, 2])
def test_each_row_of_a_table_has_the_instruction_picture_and_reward_of_one_completion(
    tracked: Path, name: str, step: int
) -> None:
    logged = READERS[name](tracked, step)
    assert [row["step"] for row in logged.rows] == [step] * 8
    scored = [row for row in logged.rows if row["status"] == "scored"]
    assert len({row["instruction"] for row in scored}) > 1
    for row in scored:
        tone = tone_of(row["instruction"])
        assert logged.picture(row["edit"]).convert("RGB").getpixel((8, 8)) == (tone, tone, tone)
        assert row["reward"] == pytest.approx(tone / 25.5, abs=0.01)
        number = int(row["request"].removeprefix("wish "))
        assert logged.picture(row["source"]).convert("RGB").getpixel((8, 8)) == (number, 40, 90)
        assert row["reason"] is row["problem"] is None


@pytest.mark.parametrize("name", READERS)
def test_a_masked_completion_has_its_reason_and_no_number(tracked: Path, name: str) -> None:
    masked = [row for row in READERS[name](tracked, 1).rows if row["status"] == "judge_failed"]
    assert masked
    for row in masked:
        assert row["reward"] is None
        assert "judge is away" in row["reason"]
        assert row["edit"] is not None


@pytest.mark.parametrize("name", READERS)
def test_a_completion_without_an_instruction_has_its_problem_and_no_picture(tracked: Path, name: str) -> None:
    for row in READERS[name](tracked, 2).rows[3::4]:
        assert row["problem"] == "nothing is asked for"
        assert row["edit"] is row["instruction"] is row["status"] is None
        assert row["reward"] == 0


@pytest.mark.parametrize("name", READERS)
def test_tables_and_metrics_of_a_step_are_in_one_run_at_the_same_place_of_its_axis(tracked: Path, name: str) -> None:
    metrics = READERS[name](tracked, 1).metrics
    tables = [one["train/global_step"] for one in metrics if any(key.split("/")[0] == "edits" for key in one)]
    losses = [one["train/global_step"] for one in metrics if "train/loss" in one]
    assert tables == losses == [1, 2]


def test_tensorboard_shows_a_group_as_one_picture_with_its_text(tracked: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tracked / "out" / "checkpoints" / "runs" / "pictures"
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0}).Reload()
    texts = {event.step: event.tensor_proto.string_val[0].decode() for event in events.Tensors("edits/0/text_summary")}
    pictures = {event.step: event.encoded_image_string for event in events.Images("edits/0")}
    assert list(pictures) == list(texts) == [1, 2]
    row = Image.open(BytesIO(pictures[1]))
    assert row.size == (4 * 16, 16)  # the source and the edits of three readable completions
    first_of_group = logged_to_wandb(tracked, 1).rows[0]
    assert row.getpixel((8, 8)) == (int(first_of_group["request"].removeprefix("wish ")), 40, 90)
    tone = tone_of(first_of_group["instruction"])
    assert row.getpixel((24, 8)) == (tone, tone, tone)
    assert texts[1].startswith(first_of_group["request"])
    assert "masked, judge_failed: " in texts[1]
    assert "0.00: nothing is asked for" in texts[1]


@pytest.mark.parametrize("place", ["wandb", "trackio", "out/checkpoints/runs"])
def test_no_tracker_is_told_a_secret(tracked: Path, place: str) -> None:
    stored = b"".join(path.read_bytes() for path in (tracked / place).rglob("*") if path.is_file())
    assert b"hub_token" in stored
    assert SECRET.encode() not in stored


def test_a_tracker_that_fails_is_told_of_once_and_stops_nothing(
    tmp_path: Path, policy_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []

    def add(tracker: Any, step: int, groups: Any) -> None:
        asked.append(step)
        raise OSError("no space left on device")

    monkeypatch.setattr(trackers.Tensorboard, "add", add)
    config = run_config(tmp_path, policy_folder, report_to="tensorboard")
    with caplog.at_level(logging.WARNING, "src.training.tracking.trackers"):
        train(parse_training_config(config, "test"))
    assert asked == [1, 2]
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "src.training.tracking.trackers"]
    assert "tensorboard could not take the edits of step 1: OSError: no space left on device" in warning
    assert len(list((tmp_path / "out" / "shown").iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "said"), [("wandb", "pip install wandb"), ("trackio", "pip install trackio"), ("wandbb", "not supported")]
)
def test_a_tracker_that_is_not_there_stops_the_run_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # to Python: not installed
    config = run_config(tmp_path, tmp_path / "no policy", report_to=name)
    with pytest.raises(ConfigError, match=rf"report_to: .*{said}"):
        train(parse_training_config(config, "test"))
    assert not (tmp_path / "out").exists()


@pytest.fixture
def no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What wandb knows of a user who has never logged in."""
    import wandb

    without_network(monkeypatch, tmp_path)
    yield monkeypatch
    wandb.teardown()


@pytest.mark.parametrize(("key", "said"), [(None, "wandb login"), ("short", "wandb cannot be used: WANDB_API_KEY")])
def test_wandb_without_a_sound_key_stops_the_run(
    no_key: pytest.MonkeyPatch, tmp_path: Path, key: str | None, said: str
) -> None:
    if key:
        no_key.setenv("WANDB_API_KEY", key)
    with pytest.raises(ConfigError, match=said):
        open_trackers(["wandb"], tmp_path)


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_wandb_needs_no_key_where_it_sends_nothing(no_key: pytest.MonkeyPatch, tmp_path: Path, mode: str) -> None:
    no_key.setenv("WANDB_MODE", mode)
    assert len(open_trackers(["wandb"], tmp_path)) == 1


@pytest.mark.parametrize("words", [["--set", f"training.grpo.hub_token={SECRET}"], [f"--set=a.api_key={SECRET}"]])
def test_wandb_is_refused_a_command_line_with_a_secret(
    no_key: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    no_key.setenv("WANDB_MODE", "offline")
    no_key.setattr(sys, "argv", ["main.py", "train", "--set", "training.grpo.max_completion_length=8", *words])
    with pytest.raises(ConfigError, match="stores the command line") as refused:
        open_trackers(["wandb"], tmp_path)
    assert SECRET not in str(refused.value)


def test_trackers_that_take_no_pictures_get_none(tmp_path: Path) -> None:
    assert open_trackers([], tmp_path) == []
    assert not list(tmp_path.iterdir())
