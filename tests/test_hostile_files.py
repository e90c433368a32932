"""Mutated benchmark files in the inspection and in real runs: bad samples and errors on purpose, and nothing else."""

from __future__ import annotations

import random
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from src.config import parse_config
from src.data.inspect import inspect_benchmark
from src.errors import EditLoopError
from src.pipeline.evaluation import evaluate
from tests.conftest import item
from tests.mutations import damaged, hostile_items, write

ITEMS = 6
SUFFIXES = st.sampled_from(["json", "jsonl", "parquet"])


def tried(path: Path) -> None:
    """Inspects and runs a file; both read the same items, and nothing appears outside of the output directory."""
    around = sorted(path.parent.parent.rglob("*"))
    output = path.parent / "out"
    try:
        inspection = inspect_benchmark(str(path))
    except EditLoopError:
        inspection = None
    config = parse_config(
        {
            "benchmark": {"data_path": str(path)},
            "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
            "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
            "evaluation": {"output_dir": str(output)},
        },
        "test",
    )
    report = None
    with suppress(EditLoopError):
        report = evaluate(config).report
    if report is not None:
        assert inspection is not None
        assert report["overall_statistics"]["total"] == inspection.items
        assert report["overall_statistics"]["num_samples"] + len(inspection.problems) >= inspection.items
    assert [entry for entry in sorted(path.parent.parent.rglob("*")) if output not in (entry, *entry.parents)] == around


@settings(max_examples=30)
@given(SUFFIXES, st.integers(0, 2**32))
def test_hostile_fields_make_bad_samples_and_end_no_run(suffix: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data" / f"b.{suffix}"
        path.parent.mkdir()
        write(hostile_items(random.Random(seed), ITEMS), path)
        tried(path)


@settings(max_examples=30)
@given(SUFFIXES, st.integers(0, 2**32))
def test_damaged_files_are_run_up_to_the_damage(suffix: str, seed: int) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data" / f"b.{suffix}"
        path.parent.mkdir()
        write([item(index) for index in range(ITEMS)], path)
        path.write_bytes(damaged(dice, path.read_bytes()))
        tried(path)


def test_the_mutations_hit_what_they_aim_at(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "b.json"
    write(hostile_items(random.Random(1), 40), path)
    inspection = inspect_benchmark(str(path))
    assert 10 < len(inspection.problems) < 35
