"""Shared parts of the tests: small benchmark files, and editors and judges that cost nothing."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from PIL import Image

from benchmarks.ray_nodes import Nodes, two_nodes
from src import redaction
from src.config import Config, parse_config
from tests.browser import OpenPage, chromium, opened_in

# The same examples on every machine, and no failure because a machine is busy.
settings.register_profile("editloop", derandomize=True, deadline=None)
settings.load_profile("editloop")

# A shell starts commands in the background with Ctrl-C ignored, and their children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Workers beside each other take a core each, and so do the processes that they start. No torch is loaded as yet.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _nothing_of_another_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process keeps its secrets and the arithmetic of `start_command` for good, and all tests share one."""
    monkeypatch.setattr(redaction, "_remembered", set())
    monkeypatch.setattr(redaction, "_whole", set())
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


CATEGORIES = ("物理", "环境", "社会", "因果", "指代")


def png(color: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (16, 16)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, format="PNG")
    return buffer.getvalue()


def item(index: int, **changes: Any) -> dict[str, Any]:
    """A sound benchmark item; `changes` overrides fields, and None removes one."""
    category = CATEGORIES[index % len(CATEGORIES)]
    difficulty = ("easy", "medium", "hard")[index % 3]
    fields: dict[str, Any] = {
        "subset": category,
        "original_description": f"图 {index}",
        "original_description_en": f"picture {index}",
        "edit_instruction": f"改成 {index}",
        "edit_instruction_en": f"change to {index}",
        "src_img_b64": base64.b64encode(png((index % 256, 40, 90))).decode(),
        "reference_img_b64": base64.b64encode(png((index % 256, 240, 90))).decode(),
        "tags": ["test", difficulty],
        "difficulty": difficulty,
        "original_image_path": f"images/{index:05d}_{category}_{difficulty}.png",
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


@pytest.fixture
def write_benchmark(tmp_path: Path) -> Callable[..., Path]:
    def write(items: int | list[Any], name: str = "benchmark.json") -> Path:
        path = tmp_path / name
        data = [item(index) for index in range(items)] if isinstance(items, int) else items
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    return write


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """A config of zero-cost models; keyword arguments are sections, merged over the defaults."""

    def make(data_path: Path, **sections: dict[str, Any]) -> Config:
        data: dict[str, Any] = {
            "benchmark": {"data_path": str(data_path)},
            "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
            "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
            "evaluation": {"output_dir": str(tmp_path / "out")},
        }
        for name, section in sections.items():
            data[name] = {**data.get(name, {}), **section}
        return parse_config(data, "test config")

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, for tests with the marker `browser`."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def cluster() -> Iterator[Nodes]:
    """Two nodes of Ray on this machine, for tests with the marker `ray`."""
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def ray_config(make_config: Callable[..., Config], cluster: Nodes, tmp_path: Path) -> Callable[..., Config]:
    """A config whose models run on the cluster; `name` is that of its output directory."""

    def make(data: Path, name: str = "out", engine: str = "ray", **sections: Any) -> Config:
        places = {"address": cluster.address, "editors": 2, "editor_gpus": 0, "judge_gpus": 0}
        runtime = {"engine": engine, "ray": places | sections.pop("ray", {})} | sections.pop("runtime", {})
        output = {"output_dir": str(tmp_path / name)}
        return make_config(data, evaluation=output, runtime=runtime, **sections)

    return make


@pytest.fixture
def tab(browser: Any) -> Iterator[OpenPage]:
    """A tab of the browser, in which no script may fail."""
    with opened_in(browser) as shown:
        yield shown
        assert shown.errors == []
