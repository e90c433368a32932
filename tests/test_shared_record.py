"""Processes of one machine share a record: nothing is edited or judged twice, and older records are taken over."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from src.data.image import decode_image
from src.data.selection import Selection
from src.data.verdict import Status, Verdict, failed
from src.training import dataset
from src.training.config import parse_training_config
from src.training.dataset import ImageStore
from src.training.grpo.edit_rewards import CritiqueRewards
from src.training.grpo.processes import Processes
from src.training.grpo.reward_function import RewardSetting
from src.training.storage import claims as claims_module
from src.training.storage.claims import Claims
from src.training.storage.record import CompletionRow, TrainingRecord
from src.training.storage.shared_record import prepare_shared_record
from src.training.tasks.base import Example
from src.training.tasks.rewrite import CritiqueTask
from tests.conftest import item, png
from tests.edit_servers import free_port


def launched(folder: Path, what: str, count: int = 1) -> list[str]:
    """What each process printed."""
    prepare_shared_record(folder, Processes())
    command = [sys.executable, "-m", "tests.bench_process", str(folder), what]
    running = [
        subprocess.Popen([*command, str(name), str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in range(count)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert all(process.returncode == 0 for process in running), ended
    return [output for output, _ in ended]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_two_processes_that_need_the_same_at_the_same_time_edit_and_judge_it_once(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    write_benchmark(10)
    launched(tmp_path, "judge", 2)
    wanted = [f"paint {place}" for place in range(10)]
    assert sorted(line.split("|")[0] for line in lines(tmp_path / "edits.log")) == wanted
    assert len(lines(tmp_path / "verdicts.log")) == 10


@pytest.mark.parametrize("what", ["prepare", "judge"])
def test_memory_does_not_grow_with_the_number_of_pictures(
    tmp_path: Path, write_benchmark: Callable[..., Path], what: str
) -> None:
    grown = {}
    for count in (8, 40):
        folder = tmp_path / str(count)
        folder.mkdir()
        pictures = [base64.b64encode(png((index, 40, 90), (800, 800))).decode() for index in range(count)]
        write_benchmark([item(index, src_img_b64=one) for index, one in enumerate(pictures)], f"{count}/benchmark.json")
        grown[count] = int(launched(folder, what)[0])
    assert grown[40] < grown[8] + 30, grown  # megabytes; the sources and edits of 32 more samples have 117


class Thread(Processes):
    """A process in a thread of its own."""

    def __init__(self, rank: int, heard: list[Any], together: threading.Barrier) -> None:
        super().__init__(rank, 2, ("here", "here"))
        object.__setattr__(self, "_heard", heard)
        object.__setattr__(self, "_together", together)

    def gathered(self, found: list[Any]) -> list[Any]:
        self._heard.extend(found)  # type: ignore[attr-defined]
        self._together.wait()  # type: ignore[attr-defined]
        return list(self._heard)  # type: ignore[attr-defined]


def test_two_processes_make_each_first_attempt_once_and_both_have_all(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    config = parse_training_config(
        {
            "policy": {"model": "unused"},
            "data": {"train": str(write_benchmark(12))},
            "diffusion_model": {
                "class_path": "tests.training_plugins.ToneEditor",
                "params": {"log": str(tmp_path / "edits.log"), "break_on": "change to 3"},
            },
            "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            "training": {"output_dir": str(tmp_path)},
        },
        "test",
    )
    task = CritiqueTask()
    found = task.examples(config.data.files[0].path, Selection(), ImageStore(tmp_path / "images").keep)
    examples = [one for one in found if isinstance(one, Example)]
    prepare_shared_record(tmp_path, Processes())
    heard: list[Any] = []
    together = threading.Barrier(2, timeout=30)
    prepared: dict[int, list[Example]] = {}

    def run(rank: int) -> None:
        rewards = CritiqueRewards(task, RewardSetting(config, Thread(rank, heard, together)))
        rewards.load()
        prepared[rank] = rewards.prepare([*examples, *examples[:4]])
        rewards.close()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(tmp_path / "edits.log")) == 12
    assert prepared[0] == prepared[1]
    assert len(prepared[0]) == 16 - 2
    assert all(len(one.images) == 2 and one.images[1].decode() for one in prepared[0])


def test_work_that_another_process_has_claimed_is_free_when_it_is_given_up_or_its_owner_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(TrainingRecord(tmp_path)) as mine, closing(TrainingRecord(tmp_path)) as other:
        with Claims(mine) as first, Claims(other) as second:
            assert first.take("a")
            assert first.take("a")
            assert not second.take("a")
            first.give_up("a")
            assert second.take("a")
            assert second.take("b")
        with Claims(mine) as first:
            assert first.take("b")
        dead = Claims(other)
        assert dead.take("c")
        with Claims(mine) as first:
            assert not first.take("c")
            monkeypatch.setattr(claims_module, "LEASE", -1.0)
            assert first.take("c")


def test_a_claim_is_renewed_while_its_owner_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims_module, "RENEWAL", 0.01)
    monkeypatch.setattr(claims_module, "LEASE", 0.5)
    with closing(TrainingRecord(tmp_path)) as record, Claims(record) as first, Claims(record) as second:
        assert first.take("a")
        threading.Event().wait(1.0)
        assert not second.take("a")


def row(step: int, position: int, text: str) -> CompletionRow:
    return CompletionRow(step, position, "id", "物理", "wish", text, text, None, None, None, None, None, 1.0)


def left_by(folder: Path, edit: str, texts: list[str]) -> None:
    """A record as one process of an earlier run left it."""
    with closing(TrainingRecord(folder)) as record:
        record.add_edit(edit, png(), 1.0)
        record.add_edit("both", png(), 1.0)
        record.add_verdict(f"verdict of {edit}", Verdict(Status.SCORED, 7.0))
        record.add_verdict("verdict of both", failed(Status.JUDGE_FAILED, "away"))
        record.add_completions([row(3, place, text) for place, text in enumerate(texts)])
    with closing(TrainingRecord(folder)) as record:
        record._write("DROP TABLE claims", ())


def test_records_of_single_processes_become_one(tmp_path: Path) -> None:
    left_by(tmp_path / "record" / "rank0", "x", ["a", "b"])
    left_by(tmp_path / "record" / "rank1", "y", ["c", "d"])
    with closing(TrainingRecord(tmp_path / "record")) as record:
        record.add_verdict("verdict of both", Verdict(Status.SCORED, 5.0))
        assert record.claim("x", "a process that was killed", now=1e12, stale=0)
    for _ in range(2):
        prepare_shared_record(tmp_path, Processes(0, 2, ("here", "here")))
        with closing(TrainingRecord(tmp_path / "record")) as record:
            assert all(record.has_edit(key) for key in ("x", "y", "both"))
            scores = [record.verdict(f"verdict of {key}") for key in ("x", "y", "both")]
            assert [one.score if one else None for one in scores] == [7, 7, 5]
            assert [one.completion for one in record.completions(3)] == ["a", "b", "c", "d"]
            assert record.claim("x", "somebody", now=2.0, stale=1.0)
        assert not list((tmp_path / "record").glob("rank*"))


def test_each_machine_has_a_record_and_takes_over_those_of_its_own_processes_and_the_first_all_others(
    tmp_path: Path,
) -> None:
    machines = ("a", "a", "b", "b")
    all_four = [Processes(rank, 4, machines) for rank in range(4)]
    assert [one.folder.as_posix() for one in all_four] == ["record", "record", "record/machine1", "record/machine1"]
    assert [one.is_first_here for one in all_four] == [True, False, True, False]
    for name in ("rank1", "rank3", "rank7", "machine2"):
        left_by(tmp_path / "record" / name, f"of {name}", [])
    for process in all_four:
        if process.is_first_here:
            prepare_shared_record(tmp_path, process)
    with closing(TrainingRecord(tmp_path / "record")) as first:
        assert [first.has_edit(f"of {name}") for name in ("rank1", "rank3", "rank7", "machine2")] == [1, 0, 1, 1]
    with closing(TrainingRecord(tmp_path / "record" / "machine1")) as second:
        assert second.has_edit("of rank3")


def test_a_picture_is_decoded_once_whichever_process_or_start_needs_it(
    tmp_path: Path, write_benchmark: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def counted(data: bytes) -> Any:
        decoded.append(len(data))
        return decode_image(data)

    monkeypatch.setattr(dataset, "decode_image", counted)
    path = str(write_benchmark([*(item(index) for index in range(6)), item(9, src_img_b64="AAAA")]))
    for _ in range(2):
        found = list(CritiqueTask().examples(path, Selection(), ImageStore(tmp_path / "images").keep))
        assert [isinstance(one, Example) for one in found] == [True] * 6 + [False]
    assert len(decoded) == 6 * 2 + 2  # source and reference; what is no picture is not kept
    torn = next((tmp_path / "images").glob("*.image"))
    torn.write_bytes(torn.read_bytes()[:-1])
    list(CritiqueTask().examples(path, Selection(), ImageStore(tmp_path / "images").keep))
    assert len(decoded) == 6 * 2 + 2 + 2


def test_processes_that_start_together_decode_each_picture_in_one_of_them_alone(
    tmp_path: Path, write_benchmark: Callable[..., Path]
) -> None:
    write_benchmark(4)
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.reading_process", str(tmp_path)],
            env={**os.environ, **group, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert all(process.returncode == 0 for process in running), ended
    pictures = len(list((tmp_path / "out" / "images").iterdir()))
    assert pictures >= 4, ended
    assert [output for output, _ in ended] == [f"{pictures} the data are read\n", "0 the data are read\n"], ended
