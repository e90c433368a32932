"""Content keys have the bytes that records hold: each value here was computed by the code before keys had one file."""

from __future__ import annotations

import ast
from pathlib import Path

from src.pipeline.keys import answer_key, audit_run_key, drift_run_key, drift_verdict_key, probe_key, reply_key

SOURCE = Path(__file__).resolve().parents[1] / "src"
PLANS = {"pipeline/keys.py", "pipeline/plan.py"}
SALTED = {"edit", "verdict", "answer", "probe", "audit", "drift", "run"}


def test_keys_outside_the_plan_of_a_run_are_what_they_were() -> None:
    pictures = ("a" * 64, "b" * 64)
    assert [
        probe_key(*pictures, "tip it", "a cup", None),
        probe_key(*pictures, "tip it", "a cup", "repeat_1"),
        audit_run_key("r", "t"),
        answer_key("i", "no", "text"),
        reply_key({"class": "P"}, "s", "u", ["h"]),
        drift_run_key({"of": "x"}),
        drift_verdict_key("r", "v"),
    ] == [
        "6188394a5e2423562b81c8a1b3d21064978f29b9a7ff3b189f40cf6ee6ae9adc",
        "ab54bee35f6f2801d67860939769c865ac7fbe166a1dc33b7a3e65a0bd99fa49",
        "90731187348a507cb31c5c52d529a72846135f24dfaf3c518ab721158ea89ecf",
        "9a59f2851df6019b4416abc485ed9df14160e0f7d8c6fd5a9f80fb9a867d1c82",
        "bbada19755de1ca6155f004406c3c915a24095ba93758fc57ec93ab81be27e09",
        "96d547f14c76b26584147df3019faa3d58d838723409fce4a6e3cbda4da45969",
        "cefaa8df727d2d7b20867b59e5ffd794e50a86df11550bbe62b53a10c35e80eb",
    ]


def test_no_other_file_builds_a_key() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in PLANS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(tuple(f"digest(['{salt}'" for salt in SALTED))
    ]
    assert found == []
