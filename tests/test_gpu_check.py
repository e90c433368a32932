"""`python -m benchmarks.gpu_check`: isolation, time, what it says without a GPU, and each check cut down on the CPU."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import gpu_check
from benchmarks.gpu import editing, supervise
from benchmarks.gpu.check import Check, Finding, Outcome, Row, Setting, resolved, run_check
from benchmarks.gpu.checks import CHECKS
from benchmarks.gpu.supervise import finished_lines, supervised
from benchmarks.qwen_full_size import ACTIVATIONS_GIB, SIZES, _weights_gib, fitting
from src.errors import ModelError

CPU = Setting("cpu", tiny=True)
FULL = SIZES["full"]


def failing(*names: str, seconds: float = 60, group: str = "one") -> list[Check]:
    return [Check(f"tests.failing_checks:{name}", f"what {name} shows", seconds, group) for name in names]


def outcomes(rows: list[Row]) -> dict[str, Outcome]:
    return {row.check: row.outcome for row in rows}


def test_whatever_a_check_does_is_a_row_with_its_reason_and_the_others_run(tmp_path: Path) -> None:
    names = ("raises", "not_a_number", "does_not_apply", "kills_its_process", "misses", "holds")
    rows = list(supervised(failing(*names), CPU, 120, tmp_path))
    assert outcomes(rows) == {
        "raises": Outcome.FAILED,
        "not_a_number": Outcome.FAILED,
        "does_not_apply": Outcome.DOES_NOT_APPLY,
        "kills_its_process": Outcome.FAILED,
        "misses": Outcome.MISSES,
        "holds": Outcome.HOLDS,
    }
    said = {row.check: row.reason for row in rows}
    assert said["raises"] == "RuntimeError: the device has gone"
    assert "seconds is no number" in said["not_a_number"]
    assert said["does_not_apply"] == "there is one GPU"
    assert said["kills_its_process"] == "its process ended with signal SIGKILL: a last word"
    assert not any(row.figures for row in rows if row.outcome in (Outcome.FAILED, Outcome.DOES_NOT_APPLY))
    assert "Traceback" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_a_check_is_explained_by_what_it_has_said_itself_and_each_has_its_part_of_the_log(tmp_path: Path) -> None:
    names = ("says_something", "kills_its_process_in_silence", "kills_its_process_in_silence", "says_something")
    rows = list(supervised(failing(*names), CPU, 120, tmp_path))
    ended = "its process ended with signal SIGKILL: it said nothing"
    assert [row.reason for row in rows] == ["", ended, ended, ""]
    log = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert re.findall("=== tests.failing_checks:(.*) ===", log) == list(names)
    assert log.index("all is well") > log.index(names[0])


def test_a_process_that_dies_before_its_check_begins_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "WORKER", "tests.no_such_worker")
    (row,) = supervised(failing("holds"), CPU, 120, tmp_path)
    assert row.outcome is Outcome.FAILED
    assert "No module named tests.no_such_worker" in row.reason


def test_a_check_that_finds_nothing_has_failed(tmp_path: Path) -> None:
    (row,) = run_check("tests.failing_checks:finds_nothing", CPU)
    assert (row.check, row.outcome) == ("finds_nothing", Outcome.FAILED)
    assert "nothing" in row.reason


def test_a_check_that_hangs_is_stopped_with_all_its_processes_and_those_of_other_groups_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    monkeypatch.setenv("CHILD_FILE", str(child))
    checks = [
        *failing("leaves_a_child_and_hangs", seconds=20),
        *failing("holds", group="two"),
        *failing("holds", group="two"),
    ]
    rows = list(supervised(checks, CPU, 300, tmp_path))
    assert [row.outcome for row in rows] == [Outcome.STOPPED, Outcome.HOLDS, Outcome.HOLDS]
    assert "at its limit" in rows[0].reason
    assert not running(int(child.read_text(encoding="utf-8")))
    assert rows[1].measured == rows[2].measured, "checks of one group share a process"


def running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


def test_when_the_time_is_over_the_running_check_stops_and_the_rest_is_listed_as_not_run(tmp_path: Path) -> None:
    os.environ["CHILD_FILE"] = str(tmp_path / "child")
    began = time.monotonic()
    rows = list(supervised(failing("leaves_a_child_and_hangs", "holds", seconds=600), CPU, 15, tmp_path))
    assert time.monotonic() - began < 60
    assert [row.outcome for row in rows] == [Outcome.STOPPED, Outcome.NOT_RUN]
    assert "--minutes" in rows[0].reason
    assert "0.25 minutes" in rows[1].reason


def test_a_line_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert finished_lines(file) == []
    file.write_text("[1]\n[2", encoding="utf-8")
    assert finished_lines(file) == ["[1]"]


def test_a_finding_without_a_measurement_has_no_figures() -> None:
    with pytest.raises(ValueError, match="has no figures"):
        Finding("an edit", reason="out of memory", figures={"seconds": 1.0})


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("without_gpu")
def test_without_a_gpu_it_says_so_and_lists_what_it_would_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check.console, "width", 200, raising=False)
    assert gpu_check.main([]) == gpu_check.NO_GPU
    said = capsys.readouterr().out
    assert "sees no NVIDIA GPU" in said
    for check in CHECKS:
        assert check.name in said


@pytest.mark.usefixtures("without_gpu")
def test_without_a_gpu_the_reason_is_what_nvidias_tool_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'; exit 18\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_check.driver() == "nvidia-smi says: Failed to initialize NVML: Driver/library version mismatch"
    tool.unlink()
    assert "not there" in gpu_check.driver()


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.HOLDS, 0),
        (Outcome.MEASURED, 0),
        (Outcome.DOES_NOT_APPLY, 0),
        (Outcome.MISSES, 1),
        (Outcome.FAILED, 1),
        (Outcome.STOPPED, 1),
        (Outcome.NOT_RUN, 1),
    ],
)
def test_the_exit_code_says_whether_everything_passed_and_the_json_holds_the_rows(
    outcome: Outcome, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("noise", Outcome.HOLDS, "noise"), Row("batches", outcome, "[8] edits")]
    monkeypatch.setattr(gpu_check, "supervised", lambda *given: (row for row in rows))
    assert gpu_check.main(["--device", "cpu", "--output-dir", str(tmp_path)]) == code
    written = json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8"))
    assert written["passed"] is (code == 0)
    assert [row["outcome"] for row in written["rows"]] == ["yes", outcome.value]
    assert written["machine"]["packages"]["torch"] == importlib.metadata.version("torch")
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["value"], last["holds"]) == (float(code), code == 0)


def test_ctrl_c_keeps_the_rows_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any) -> Any:
        yield Row(CHECKS[0].name, Outcome.HOLDS, "placement")
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu_check, "supervised", interrupted)
    assert gpu_check.main(["--device", "cpu", "--output-dir", str(tmp_path)]) == gpu_check.INTERRUPTED
    written = json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8"))
    assert [row["outcome"] for row in written["rows"]] == ["yes", *["not run"] * (len(CHECKS) - 1)]


def test_what_is_not_run_yet_is_in_the_json_from_the_first_row_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[dict[str, Any]] = []

    def watched(*given: Any) -> Any:
        for check in CHECKS:
            yield Row(check.name, Outcome.HOLDS, check.name)
            written.append(json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8")))

    monkeypatch.setattr(gpu_check, "supervised", watched)
    assert gpu_check.main(["--device", "cpu", "--output-dir", str(tmp_path)]) == 0
    for count, found in enumerate(written, 1):
        assert [row["check"] for row in found["rows"]] == [check.name for check in CHECKS]
        assert [row["outcome"] for row in found["rows"]].count("yes") == count
        assert found["passed"] is (count == len(CHECKS))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_with_what_it_has_started_and_keeps_the_json(number: signal.Signals, tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import sys; from benchmarks import gpu_check; from tests.test_gpu_check import failing; "
        "gpu_check.CHECKS = failing('holds', 'leaves_a_child_and_hangs'); "
        "sys.exit(gpu_check.main(['--device', 'cpu', '--output-dir', sys.argv[1]]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], env=os.environ | {"CHILD_FILE": str(child)}, stdout=subprocess.PIPE
    )
    try:
        waited = time.monotonic() + 100
        table = tmp_path / "gpu_check.json"
        while not (table.exists() and child.exists() and child.read_text()) and time.monotonic() < waited:
            time.sleep(0.1)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == gpu_check.INTERRUPTED, said
    assert not running(int(child.read_text(encoding="utf-8")))
    written = json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8"))
    assert [row["outcome"] for row in written["rows"]] == ["yes", "not run"]


def test_an_output_folder_that_is_a_file_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(["--device", "cpu", "--output-dir", str(tmp_path / "file")])
    assert ended.value.code == 2
    assert f"--output-dir {tmp_path / 'file'} cannot be written to: File exists" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--only", "nois"], ["--minutes", "0"], ["--minutes", "nan"]])
def test_wrong_usage_is_told_before_anything_runs(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(["--device", "cpu", *wrong])
    assert ended.value.code == 2
    assert wrong[1] in capsys.readouterr().err


def test_every_check_can_be_called_and_has_a_name_of_its_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert callable(resolved(check.function))


QUICK = ("placement", "noise", "offload", "out_of_memory", "two_stage", "replicas", "qwen_512_unguided",
         "qwen_attention", "qwen_caches", "qwen_compiled", "vllm_rollouts")  # fmt: skip
"""The others differ from these by their settings, or train."""


@pytest.mark.parametrize("name", QUICK)
def test_each_check_passes_cut_down_on_the_cpu(name: str) -> None:
    (check,) = (one for one in CHECKS if one.name == name)
    rows = run_check(check.function, CPU)
    assert rows
    assert [row for row in rows if not row.outcome.passes] == []


def test_a_wrong_picture_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = itertools.count(1)

    def other_seed(editor: Any) -> Any:
        (sample,) = editing.samples(1)
        return editing.pixels(editor.edit_image(sample.source.decode(), sample.instruction, seed=next(seeds)))

    monkeypatch.setattr(editing, "edit", other_seed)
    rows = run_check("benchmarks.gpu.editing:bfloat16", CPU)
    assert [row.outcome for row in rows] == [Outcome.MISSES] * 2


def test_where_torch_draws_other_noise_in_bfloat16_its_picture_is_not_held_against_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = torch.randn

    def other_noise(*size: Any, dtype: torch.dtype = torch.float32, **how: Any) -> torch.Tensor:
        return drawn(*size, **how).to(dtype) + (dtype == torch.bfloat16)

    assert editing.same_noise_in_bfloat16()
    monkeypatch.setattr(torch, "randn", other_noise)
    assert not editing.same_noise_in_bfloat16()
    monkeypatch.setattr(editing, "edit", lambda editor: np.zeros((8, 8, 3)))
    _, beside_float32 = run_check("benchmarks.gpu.editing:bfloat16", CPU)
    assert beside_float32.outcome is Outcome.DOES_NOT_APPLY
    assert "other noise" in beside_float32.reason


@pytest.mark.parametrize(("gib", "whole"), [(79.0, True), (39.0, False)])
def test_a_smaller_gpu_gets_as_many_layers_as_fit(gib: float, whole: bool) -> None:
    size = fitting(FULL, gib)
    text, layers = size["text"]["num_hidden_layers"], size["transformer"]["num_layers"]
    assert ((text, layers) == (28, 60)) is whole
    assert _weights_gib(size, text, layers) + ACTIVATIONS_GIB <= gib
    if not whole:
        assert _weights_gib(size, text + 1, layers + 1) + ACTIVATIONS_GIB > gib


def test_a_gpu_without_room_for_one_layer_is_told_what_it_takes() -> None:
    with pytest.raises(ModelError, match=r"8\.0 GiB are free, .* takes \d+"):
        fitting(FULL, 8.0)


def test_the_published_weights_take_what_the_published_sizes_say() -> None:
    """20.4 billion parameters of the transformer, 8.3 of Qwen2.5-VL-7B and 0.1 of the autoencoder, two bytes each."""
    assert _weights_gib(FULL, 28, 60) == pytest.approx((20.43 + 8.29 + 0.13) * 2e9 / 2**30, rel=0.01)


def test_a_signal_in_the_moment_in_which_a_worker_starts_leaves_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    popen = subprocess.Popen

    def interrupted(*arguments: Any, **settings: Any) -> Any:
        started.append(popen(*arguments, **settings))
        os.kill(os.getpid(), signal.SIGTERM)
        return started[0]

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(supervised(failing("holds"), CPU, 120, tmp_path))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert started[0].poll() == -signal.SIGKILL


def test_a_report_of_before_does_not_outlive_the_start_of_a_check(tmp_path: Path) -> None:
    (tmp_path / "gpu_check.json").write_text('{"passed": true}')
    (tmp_path / "log.txt").mkdir()
    with pytest.raises(SystemExit):  # its log cannot be written
        gpu_check.main(["--device", "cpu", "--only", "noise", "--output-dir", str(tmp_path)])
    assert not (tmp_path / "gpu_check.json").exists()
