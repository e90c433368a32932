"""Decoded pictures of a run are bounded in bytes, and the bound changes no result."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src.config import Config
from src.data.image import decode_image, encode_png
from src.pipeline.evaluation import evaluate
from src.pipeline.pixels import PixelBudget, decoded_bytes
from tests.conftest import item, png

MEGABYTE = 1_000_000
ROOT = Path(__file__).resolve().parents[1]


def test_what_waits_keeps_pixels_only_while_its_share_has_room() -> None:
    budget = PixelBudget(4)
    assert [budget.keep(owner, 600_000) for owner in "ab"] == [True, False]
    budget.drop("a")
    assert budget.keep("b", 600_000)
    assert budget.keep("b", MEGABYTE), "what an owner kept before makes room for what it keeps now"
    assert budget.held == MEGABYTE


def test_what_is_used_is_no_longer_kept() -> None:
    budget = PixelBudget(4)
    assert budget.keep("a", MEGABYTE)
    with budget.use(2 * MEGABYTE, ["a"]):
        assert budget.keep("b", MEGABYTE)
        assert budget.held == 3 * MEGABYTE
    budget.drop("b")
    assert budget.held == 0


def test_work_waits_for_room_in_the_order_of_asking() -> None:
    budget, order = PixelBudget(4), []
    starts = {name: threading.Event() for name in ("large", "small")}

    def work(name: str, amount: int) -> None:
        starts[name].set()
        with budget.use(amount):
            order.append(name)

    with ThreadPoolExecutor(2) as threads, budget.use(2 * MEGABYTE):
        for name, amount in (("large", 3 * MEGABYTE), ("small", 10)):
            threads.submit(work, name, amount)
            starts[name].wait(5)
            time.sleep(0.05)
        assert order == [], "the small one would fit, but the large one was first"
    assert order == ["large", "small"]


@given(st.lists(st.integers(0, 9 * MEGABYTE), min_size=1, max_size=20))
def test_work_of_any_size_comes_to_an_end_and_only_what_is_too_large_exceeds_the_budget(amounts: list[int]) -> None:
    budget = PixelBudget(4)

    def work(amount: int) -> int:
        with budget.use(amount):
            return budget.held

    with ThreadPoolExecutor(4) as threads:
        held = list(threads.map(work, amounts, timeout=20))
    assert budget.held == 0
    assert all(most <= 3 * MEGABYTE or most in amounts for most in held)


@given(st.lists(st.integers(0, 9 * MEGABYTE), max_size=20))
def test_portions_hold_all_in_order_and_fit_unless_they_are_one(amounts: list[int]) -> None:
    portions = list(PixelBudget(4).portions(amounts, lambda amount: amount))
    assert [amount for portion, _ in portions for amount in portion] == amounts
    assert all(total == sum(portion) for portion, total in portions)
    assert all(total <= 3 * MEGABYTE or len(portion) == 1 for portion, total in portions)


@pytest.mark.parametrize("editor", ["InvertEditor", "BatchEditor", "FaultyEditor"])
@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_a_small_budget_gives_the_same_pictures_verdicts_and_failures(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config], tmp_path: Path, editor: str, schedule: str
) -> None:
    noise = Image.effect_noise((500, 400), 90).convert("RGB")
    items = [item(index, src_img_b64=base64.b64encode(encode_png(noise.rotate(index))).decode()) for index in range(9)]
    items[4]["edit_instruction_en"] = "raise"
    results = []
    for megabytes in (1, 1000):
        out = tmp_path / f"out{megabytes}"
        config = make_config(
            write_benchmark(items),
            diffusion_model={"class_path": f"tests.plugins.{editor}"},
            reward_model={"params": {"concurrency": 3}},
            evaluation={"output_dir": str(out), "schedule": schedule},
            runtime={"decoded_megabytes": megabytes},
        )
        rows = evaluate(config).report["samples"]
        kept = [{key: row[key] for key in ("sample_id", "status", "score", "reason")} for row in rows]
        results.append((kept, {path.name: path.read_bytes() for path in (out / "edits").rglob("*.png")}))
    assert decoded_bytes(noise.size) * 3 > 2 * MEGABYTE, "the budget must be too small for one edit"
    assert results[0] == results[1]
    assert len(results[0][1]) == (8 if editor == "FaultyEditor" else 9)


RUN = """
import resource, sys, yaml
from src.config import parse_config
from src.pipeline.evaluation import evaluate
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
report = evaluate(parse_config(yaml.safe_load(sys.stdin), "test")).report
assert report["statuses"] == {"scored": 12}, report["statuses"]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def peak_of_a_run(config: Config) -> int:
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(config.model_dump(mode="json")),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_flat_pictures_before_a_slow_judge_take_no_more_memory_than_the_budget_allows(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    side = 1600
    flat = base64.b64encode(png(size=(side, side))).decode()
    assert len(flat) < 100_000
    data = write_benchmark([item(index, src_img_b64=flat, reference_img_b64=None) for index in range(12)])
    config = make_config(
        data,
        reward_model={"params": {"seconds": 0.4, "concurrency": 12}},
        runtime={"decoded_megabytes": 32},
    )
    # Without the budget it is twenty pictures.
    assert peak_of_a_run(config) < 9 * decoded_bytes((side, side))


def sizes_of(out: Path) -> set[tuple[int, int]]:
    return {Image.open(path).size for path in (out / "edits").rglob("*.png")}


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
def test_larger_sources_are_bad_samples_or_scaled_as_the_setting_says(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config], tmp_path: Path, schedule: str
) -> None:
    large = base64.b64encode(png((250, 0, 0), size=(400, 200))).decode()
    data = write_benchmark([item(0), item(1, src_img_b64=large)])
    for larger, statuses, sizes in (
        ("refuse", {"scored": 1, "bad_sample": 1}, {(16, 16)}),
        ("scale", {"scored": 2}, {(16, 16), (141, 70)}),
    ):
        out = tmp_path / larger
        config = make_config(
            data,
            benchmark={"max_source_pixels": 10_000, "larger_sources": larger},
            evaluation={"output_dir": str(out), "schedule": schedule},
        )
        report = evaluate(config).report
        assert report["statuses"] == statuses
        assert sizes_of(out) == sizes
        resumed = config.model_copy(
            update={"evaluation": config.evaluation.model_copy(update={"resume_from_checkpoint": True})}
        )
        assert evaluate(resumed).report["statuses"] == statuses
        assert sizes_of(out) == sizes
    [bad] = [
        row
        for row in evaluate(
            make_config(
                data, benchmark={"max_source_pixels": 10_000}, evaluation={"output_dir": str(tmp_path / "again")}
            )
        ).report["samples"]
        if row["status"] == "bad_sample"
    ]
    assert "400×200 pixels, above benchmark.max_source_pixels: 10,000" in bad["reason"]


@pytest.mark.parametrize("height", [8, 1023, 1024, 1025, 2049])
def test_png_written_in_strips_has_every_pixel(height: int) -> None:
    noise = Image.effect_noise((9, height), 90).convert("RGB")
    assert decode_image(encode_png(noise)) == noise
