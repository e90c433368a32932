"""Runs to label, and the labelling page as its script meets it, on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from src.config import parse_config
from src.pipeline.evaluation import evaluate
from src.reporting.stored_runs import StoredRun, latest_run
from src.serving.label.label import LabelOptions, label_edits
from tests.conftest import item
from tests.test_text_to_image import GRAPH_SCORER, JUDGE, PAINTER, prompt_item

SAMPLES = 8
EVIL = "<img src=x onerror=alert(1)>"


def two_runs(folder: Path) -> list[StoredRun]:
    """Two runs of the same eight samples: one editor inverts, the other paints the seed."""
    data = folder / "benchmark.json"
    items = [item(index, edit_instruction_en=f"{EVIL} {index}") for index in range(SAMPLES)]
    data.write_text(json.dumps(items), encoding="utf-8")
    found = []
    for name, editor in (("a", "InvertEditor"), ("b", "SeedEditor")):
        sections = {
            "benchmark": {"data_path": str(data)},
            "diffusion_model": {"class_path": f"tests.plugins.{editor}"},
            "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
            "evaluation": {"output_dir": str(folder / name)},
        }
        evaluate(parse_config(sections, "test"))
        found.append(latest_run(folder / name))
    return found


def two_runs_of_text_alone(folder: Path) -> list[StoredRun]:
    """Two runs of the same eight prompts, with seeds of their own."""
    data = folder / "prompts.json"
    data.write_text(json.dumps([prompt_item(index) for index in range(SAMPLES)]), encoding="utf-8")
    found = []
    for seed, name in enumerate("ab"):
        sections = {
            "benchmark": {"data_path": str(data)},
            "diffusion_model": PAINTER,
            "reward_model": JUDGE,
            "scorer": GRAPH_SCORER,
            "evaluation": {"output_dir": str(folder / name)},
            "runtime": {"seed": seed},
        }
        evaluate(parse_config(sections, "test"))
        found.append(latest_run(folder / name))
    return found


class Page:
    """What the page's script does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.url, _, self.token = address.partition("/#")
        self.client = httpx2.Client(
            timeout=20, trust_env=False, headers={"authorization": f"Bearer {self.token}"}, base_url=self.url
        )

    def task(self) -> dict[str, Any]:
        return self.client.get("/task").json()

    def answer(self, value: Any, sample: str | None = None) -> httpx2.Response:
        sample = sample or self.task()["task"]["sample"]
        return self.client.post("/answer", json={"sample": sample, "answer": value})

    def picture(self, sample: str, which: str) -> httpx2.Response:
        return self.client.get("/picture", params={"sample": sample, "which": which})


@contextmanager
def labelling(runs: list[StoredRun], file: Path, rater: str = "ann", **options: Any) -> Iterator[Page]:
    """The page of a command that runs in a thread; leaving the block ends it as Ctrl-C would."""
    addresses: list[str] = []
    servers: list[uvicorn.Server] = []
    failed: list[BaseException] = []

    class Kept(uvicorn.Server):
        def __init__(self, config: uvicorn.Config) -> None:
            super().__init__(config)
            servers.append(self)

    def serve() -> None:
        try:
            label_edits(runs, LabelOptions(file, rater, port=0, **options), addresses.append)
        except BaseException as error:
            failed.append(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn, "Server", Kept)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        while not failed and not (addresses and servers and servers[0].started):
            time.sleep(0.005)
    if failed:
        raise failed[0]
    try:
        yield Page(addresses[0])
    finally:
        servers[0].should_exit = True
        thread.join(20)
