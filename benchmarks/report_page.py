"""The page of a run with 1,000 and with 10,000 samples: size, build time, first paint, filter and sort, in Chromium.

Sources and references are JPEG files of 512×512, edits PNG files of that size, as smooth as photographs. Few of them
are distinct, which the page does not know: each is read, shrunk and embedded anew. Each sample is judged three times
with two prompts. The browser comes with `make test-browser`.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import close, command_line, show
from src.data.image import content_hash, encode_png
from src.data.verdict import SentPrompt, Status, Verdict
from src.models.vlm.prompts import load_prompt
from src.models.vlm.question import LABELS
from src.record.results import RunInfo, SampleResult
from src.reporting.report import build_report
from src.reporting.write import write_reports
from src.rewards.scorers.vie import CONSISTENCY, QUALITY
from tests.browser import chromium, opened_in

SIDE = 512
DISTINCT = 40
CATEGORIES = ("物理", "环境", "社会", "因果", "指代")
GOALS = {"build s": 5.0, "size MB": 25.0, "first paint ms": 1000.0, "filter ms": 100.0}
"""For 1,000 samples."""
ROUNDS = 5
REPLIES = [f"Look {look}: the object is blue, its shadow is not. {'Nothing else has changed. ' * 10}" for look in "abc"]
"""Of three repeats."""
PROMPTS = {"semantic_consistency": CONSISTENCY, "perceptual_quality": QUALITY}
"""Those of `VIEScorer`, with their dimensions."""

_TIMED = """
async ([id, value]) => {
  const input = document.getElementById(id);
  const started = performance.now();
  input.value = value;
  input.dispatchEvent(new Event("input"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - started;
}
"""
_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@dataclass(frozen=True)
class Measured:
    """One page."""

    samples: int
    figures: dict[str, float]


def picture(seed: int) -> Image.Image:
    """Large shapes and fine grain: it compresses about as a photograph does."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    grain = random.normal(0, 4, (SIDE, SIDE, 1))
    return Image.fromarray(np.clip(np.asarray(coarse, dtype=float) + grain, 0, 255).astype(np.uint8))


def write_pictures(folder: Path) -> list[str]:
    """Writes the distinct pictures, as sources and as edits, and returns the digests of the sources."""
    (folder / "sources").mkdir()
    (folder / "edits").mkdir()
    digests = []
    for seed in range(DISTINCT):
        source = io.BytesIO()
        picture(seed).save(source, "JPEG", quality=92)
        (folder / "sources" / f"{seed}.jpg").write_bytes(source.getvalue())
        (folder / "edits" / f"{seed}.png").write_bytes(encode_png(picture(seed + DISTINCT)))
        digests.append(content_hash(source.getvalue()))
    return digests


def report_of(folder: Path, samples: int, digests: list[str]) -> dict[str, Any]:
    """The report of a run that never was, with its benchmark file."""
    data = folder / f"{samples}.jsonl"
    with data.open("w", encoding="utf-8") as file:
        for index in range(samples):
            file.write(json.dumps(_item(index), ensure_ascii=False) + "\n")
    info = RunInfo(
        run_key="none",
        config={"benchmark": {"data_path": str(data)}, "diffusion_model": {}, "reward_model": {}},
        editor={"class": "bench.Editor"},
        scorer={"class": "bench.Judge"},
        environment={},
    )
    return build_report(info, [_result(index, digests) for index in range(samples)])


def _item(index: int) -> dict[str, Any]:
    return {
        "id": f"{index:06d}",
        "subset": CATEGORIES[index % 5],
        "edit_instruction": f"把第 {index} 幅图涂成蓝色",
        "edit_instruction_en": f"Paint the object of picture {index} blue and let everything else be as it was.",
        "difficulty": ("easy", "medium", "hard")[index % 3],
        "tags": ["colour", f"tag{index % 17}"],
        "src_img": f"sources/{index % DISTINCT}.jpg",
        "reference_img": f"sources/{(index + 1) % DISTINCT}.jpg",
    }


def _result(index: int, digests: list[str]) -> SampleResult:
    scored = index % 50 != 0
    return SampleResult(
        sample_id=f"{index:06d}",
        index=index,
        category=CATEGORIES[index % 5],
        difficulty=("easy", "medium", "hard")[index % 3],
        tags=("colour", f"tag{index % 17}"),
        instruction=_item(index)["edit_instruction_en"],
        description="an object",
        seed=index,
        status=Status.SCORED if scored else Status.UNPARSABLE,
        score=index * 37 % 101 / 10 if scored else None,
        dimensions={"change": 5.0, "rest": 7.0} if scored else {},
        reason=None if scored else "no score was found in the reply",
        replies=tuple(REPLIES),
        usage={"calls": 1, "prompt_tokens": 800},
        edit_key=f"{index:064d}",
        source_sha256=digests[index % DISTINCT],
        image_path=f"edits/{index % DISTINCT}.png",
        source_size=(SIDE, SIDE),
        edit_size=(SIDE, SIDE),
        edit_seconds=2.0 + index % 7,
        judge_seconds=0.5,
        repeats=tuple(Verdict(Status.SCORED, 4.0 + place, replies=(one,)) for place, one in enumerate(REPLIES)),
        prompts=tuple(_prompt(index, name) for name in PROMPTS),
    )


def _prompt(index: int, name: str) -> SentPrompt:
    system, text = load_prompt("vie_score", name, "en").render(
        original_description=f"object {index} on a table",
        edit_instruction=_item(index)["edit_instruction_en"],
        rationale=f"Object {index} is blue, its reflection and the light that it throws as well.",
        dimensions=PROMPTS[name],
    )
    return SentPrompt(system, tuple(LABELS["en"].values()), text)


def measure(folder: Path, samples: int, digests: list[str], browser: Any) -> Measured:
    """Builds a page, opens it several times, and takes the median of each time."""
    report = report_of(folder, samples, digests)
    started, worked = time.perf_counter(), time.process_time()
    page = write_reports(report, folder / "results", datetime.now(), folder).page
    build, work = time.perf_counter() - started, time.process_time() - worked
    rounds: list[tuple[float, float, float, float]] = []
    for _ in range(ROUNDS):
        with opened_in(browser) as tab:
            tab.open(page)
            paint = tab.page.evaluate(_PAINT)
            category = tab.page.evaluate(_TIMED, ["category", CATEGORIES[1]])
            tab.page.evaluate(_TIMED, ["category", ""])
            words = tab.page.evaluate(_TIMED, ["q", f"picture {samples // 2}"])
            tab.page.evaluate(_TIMED, ["q", ""])
            rounds.append((paint, category, words, tab.page.evaluate(_TIMED, ["sort", "sort_score"])))
    paint, category, words, sort = (float(np.median(column)) for column in zip(*rounds, strict=True))
    return Measured(
        samples,
        {
            "build s": build,
            "of all cores s": work,
            "size MB": page.stat().st_size / 1e6,
            "first paint ms": paint,
            "filter ms": max(category, words),
            "sort ms": sort,
        },
    )


def main() -> None:
    """Shows both pages; the value is the goal that the page of 1,000 samples comes nearest to missing."""
    parser = command_line(__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 10_000])
    sizes = parser.parse_args().samples
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        digests = write_pictures(folder)
        pages = [measure(folder, samples, digests, browser) for samples in sizes]
    names = list(pages[0].figures)
    rows = [[f"{page.samples:,}", *(f"{page.figures[one]:,.2f}" for one in names)] for page in pages]
    goals = ["goal (1,000)", *(f"≤ {GOALS[one]:g}" if one in GOALS else "" for one in names)]
    show(f"Page of a run, {SIDE}×{SIDE} pictures, {os.cpu_count()} cores", ["samples", *names], [*rows, goals])
    worst = max(GOALS, key=lambda one: pages[0].figures[one] / GOALS[one])
    close("report_page", pages[0].figures[worst] / GOALS[worst], f"of the goal, the nearest of all ({worst})", "<= 1")


if __name__ == "__main__":
    main()
