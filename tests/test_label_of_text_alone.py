"""Pictures that were made of text alone, labelled by people: no source is shown, and all else is as for edits."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from src.config import Config
from src.errors import ConfigError, DataError
from src.pipeline.evaluation import evaluate
from src.pipeline.run_pairs import write_run_pairs
from src.reporting.calibration.calibrate import calibrate
from src.reporting.calibration.labels import read_labels
from src.reporting.stored_runs import StoredRun, latest_run
from tests.conftest import item, png
from tests.label_pages import SAMPLES, labelling, two_runs_of_text_alone
from tests.test_text_to_image import GRAPH, prompt_item, t2i_config

Make = Callable[..., Config]
__all__ = ["t2i_config"]  # a fixture


@pytest.fixture
def runs(tmp_path: Path) -> list[StoredRun]:
    return two_runs_of_text_alone(tmp_path)


def test_pictures_of_text_alone_are_scored_without_a_source_and_calibrated(
    runs: list[StoredRun], tmp_path: Path
) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as page:
        state = page.task()
        task = state["task"]
        assert (state["total"], task["pictures"], state["next"]["pictures"]) == (SAMPLES, ["edit"], ["edit"])
        assert task["instruction"].startswith("draw ")
        assert page.picture(task["sample"], "source").status_code == 404
        shown = Image.open(io.BytesIO(page.picture(task["sample"], "edit").content))
        stored = runs[0].folder / (runs[0].by_id[task["sample"]].image_path or "")
        assert shown.tobytes() == Image.open(stored).tobytes()
        for score in range(SAMPLES):
            assert page.answer(score).status_code == 200
    assert calibrate(runs[:1], read_labels(file), file)["overall"]["samples"] == SAMPLES


def test_pictures_of_text_alone_are_chosen_between_without_a_source(runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs, file) as page:
        assert page.task()["task"]["pictures"] == ["left", "right"]
        for _ in range(SAMPLES):
            page.answer("left")
    labels = read_labels(file)
    assert len(labels) == SAMPLES
    with pytest.raises(DataError, match="has a source and edits that can be read"):
        write_run_pairs(runs, tmp_path / "pairs.jsonl", file)
    assert not (tmp_path / "pairs.jsonl").exists()


def test_each_picture_of_a_run_of_both_kinds_is_shown_with_what_it_has(t2i_config: Make, tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    folder.mkdir()
    for name in ("p0", "e1"):
        (folder / f"{name}.png").write_bytes(png((1, 2, 3)))
    stored = {
        "class_path": "src.models.diffusion.implementations.precomputed.PrecomputedEditModel",
        "params": {"folder": str(folder)},
    }
    evaluate(t2i_config([prompt_item(0), item(1, id="e1", knowledge_graph=GRAPH)], diffusion_model=stored))
    seen = {}
    with labelling([latest_run(tmp_path / "out")], tmp_path / "labels.jsonl") as page:
        while (task := page.task()["task"]) is not None:
            seen[task["sample"]] = (task["pictures"], page.picture(task["sample"], "source").status_code)
            page.answer(5)
    assert seen == {"p0": (["edit"], 404), "e1": (["edit", "source"], 200)}


def test_a_benchmark_with_other_prompts_than_the_run_is_a_sentence(runs: list[StoredRun], tmp_path: Path) -> None:
    data = tmp_path / "prompts.json"
    items = [prompt_item(index) for index in range(SAMPLES)]
    items[2]["prompt_en"] = "draw something else"
    data.write_text(json.dumps(items), encoding="utf-8")
    with (
        pytest.raises(ConfigError, match="no longer has the source pictures or prompts of 1 sample of the run"),
        labelling(runs[:1], tmp_path / "labels.jsonl"),
    ):
        pass
