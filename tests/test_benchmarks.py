"""What the benchmarks count and write; the figures themselves are measured by hand."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks import memory
from benchmarks.figures import Figure, machine, read_figures, with_figures
from benchmarks.harness import close, config_of, write_benchmark
from benchmarks.kill_resume import finished, wasted
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.pipeline.evaluation import evaluate

FOLDER = Path(runner.__file__).parent
GPU_ROW = Figure("qwen_full_size", "1.4 × stock", ">= 1", "yes", "2026-01-01", "8 cores + 1 × GPU")
SCRIPT = 'if __name__ == "__main__":'


def page(*figures: Figure) -> str:
    empty = "# Title\n\n<!-- written by python -m benchmarks -->\n<!-- end of what is written -->\n\nAfter.\n"
    return with_figures(empty, figures)


def test_every_benchmark_has_its_rows_in_the_runner_and_on_the_page() -> None:
    scripts = {file.stem for file in FOLDER.glob("*.py") if SCRIPT in file.read_text(encoding="utf-8")} - {"__main__"}
    assert {run.name for run in runner.RUNS} | set(runner.NOT_RUN) == scripts
    on_page = [figure.benchmark for figure in read_figures(runner.PAGE.read_text(encoding="utf-8"))]
    assert on_page == [run.command for run in runner.RUNS] + list(runner.NOT_RUN)


def test_new_figures_replace_rows_of_their_benchmark_and_leave_the_others_and_the_text_alone() -> None:
    old = Figure("overlap", "1.2 wall / floor", "<= 1.03", "**no**", "2026-01-01", "a slow one")
    new = Figure("overlap", "1.01 wall / floor", "<= 1.03", "yes", "2026-02-02", "a fast one")
    text = with_figures(page(old, GPU_ROW), [new])
    assert read_figures(text) == [new, GPU_ROW]
    assert text.startswith("# Title\n")
    assert text.endswith("\n\nAfter.\n")
    assert with_figures(text, []) == text


def test_a_page_without_a_place_for_the_table_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="has no lines"):
        with_figures("# Title\n", [GPU_ROW])


def test_the_machine_is_described_without_its_name() -> None:
    assert "cores" in machine()
    assert socket.gethostname() not in machine()


def test_the_runner_writes_what_a_benchmark_says_last_and_keeps_the_row_of_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text(page(GPU_ROW), encoding="utf-8")
    package = tmp_path / "benchmarks"
    package.mkdir()
    (package / "__init__.py").touch()  # or the installed package of this name would go before a mere folder
    line = json.dumps({"name": "good", "value": 1.01, "unit": "wall / floor", "goal": "<= 1.03", "holds": True})
    (package / "good.py").write_text(f"print('a table')\nprint('''{line}''')\n")
    (package / "qwen_full_size.py").write_text("print('no GPU'); raise SystemExit(2)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runner, "PAGE", tmp_path / "README.md")
    monkeypatch.setattr(runner, "RUNS", (runner.Run("good"), runner.Run("qwen_full_size")))
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    assert runner.main() == 1
    gpu, good = read_figures((tmp_path / "README.md").read_text(encoding="utf-8"))
    assert gpu == GPU_ROW
    assert (good.benchmark, good.value, good.goal, good.holds) == ("good", "1.01 wall / floor", "<= 1.03", "yes")


def test_what_must_hold_besides_the_value_decides_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    close("memory", 1.0, "growth", "<= 1.1", besides=False)
    assert json.loads(capsys.readouterr().out)["holds"] is False


def test_edits_and_verdicts_that_are_lost_or_made_anew_are_counted_apart() -> None:
    before = {("edit", "a"): 1, ("edit", "b"): 1, ("verdict", "a"): 1, ("verdict", "b"): 1}
    after = {("edit", "a"): 2, ("verdict", "a"): 1, ("edit", "b"): 1, ("edit", "c"): 2}
    assert wasted(before, after) == {"edit redone": 1, "verdict lost": 1}
    assert not wasted(before, before | {("edit", "new"): 2})


def test_the_finished_work_of_a_run_is_every_edit_and_every_verdict(tmp_path: Path) -> None:
    config = config_of(write_benchmark(tmp_path / "benchmark.json", 3), tmp_path / "out", {}, {})
    assert finished(tmp_path / "out") == {}
    evaluate(config)
    assert sorted(kind for kind, _ in finished(tmp_path / "out")) == ["edit"] * 3 + ["verdict"] * 3


def test_the_runner_says_which_benchmarks_there_are() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "nosuch"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there are overlap, overhead" in done.stderr


def test_pictures_beside_a_benchmark_file_take_disk_only_once(tmp_path: Path) -> None:
    data = memory.write_beside(tmp_path / "benchmark.json", 3 * memory.DISTINCT)
    samples = [sample for sample in load_samples(str(data), Selection()) if isinstance(sample, EditSample)]
    pictures = {sample.source.read_bytes() for sample in samples}
    files = {file.stat().st_ino for file in (tmp_path / "pictures").iterdir()}
    assert len(samples) == 3 * memory.DISTINCT
    assert len(pictures) == len(files) == memory.DISTINCT
    assert 1.9e6 < len(pictures.pop()) < 2.1e6
