"""Results of samples and the facts of a run, of which the tests build reports."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from src.data.verdict import Status
from src.record.results import Attempt, RunInfo, SampleResult
from src.reporting.console import print_report
from tests.conftest import CATEGORIES

HOSTILE = "a|b\r\n`c` <script>alert(1)</script> [red]bold[/red] ![x](http://y) **z** \x1b[31m \u202e $q$ __d__ 物理 ```"
ATTEMPT = Attempt("2026-01-02T03:04:05+00:00", 12.5, "finished", 3, 0, 3, 0)


def result(index: int = 0, score: float | None = 5.0, **changes: Any) -> SampleResult:
    fields: dict[str, Any] = {
        "sample_id": f"{index:05d}",
        "index": index,
        "category": CATEGORIES[index % 5],
        "difficulty": ("easy", "medium", "hard")[index % 3],
        "tags": ("light", "sky"),
        "instruction": "make it rain",
        "description": "a park",
        "seed": index,
        "status": Status.SCORED,
        "score": score,
        "dimensions": {"change": score},
        "reason": None,
        "replies": (f"{score}",),
        "usage": {"calls": 1},
        "edit_key": f"key{index}",
        "source_sha256": f"hash{index}",
        "image_path": f"edits/key{index}.png",
        "source_size": (640, 480),
        "edit_size": (1184, 880),
        "edit_seconds": 2.0 + index,
        "judge_seconds": 0.5,
        "expected": {"reference picture": "hash"},
    }
    return SampleResult(**(fields | changes))


def failure(index: int, status: Status | None = Status.EDIT_FAILED, reason: str | None = "boom") -> SampleResult:
    return result(index, None, status=status, reason=reason, dimensions={}, replies=())


def bad_sample(index: int, reason: str = "src_img_b64 is missing") -> SampleResult:
    return replace(failure(index, Status.BAD_SAMPLE, reason), category=None, difficulty=None, tags=())


def info(**changes: Any) -> RunInfo:
    run = RunInfo(
        run_key="0123abcd",
        config={
            "benchmark": {"data_path": "b.json", "categories": ["指代", "物理"]},
            "diffusion_model": {"class_path": "my.Editor", "params": {"steps": 8}},
            "reward_model": {"class_path": "my.Judge", "params": {"api_key": "***"}},
            "evaluation": {"output_dir": "out"},
        },
        editor={"class": "my.Editor", "version": "1", "params": {"steps": 8}},
        scorer={"class": "src.Scorer", "judge": {"class": "my.Judge", "params": {"temperature": 0}}},
        environment={"editloop": "0", "python": "3.11"},
        attempts=(ATTEMPT,),
    )
    return replace(run, **changes)


def shown(report: dict[str, Any], width: int) -> list[str]:
    output = io.StringIO()
    print_report(report, Console(file=output, width=width))
    return output.getvalue().splitlines()
