"""Public sets of right edits are read as they are published: source, instruction, and the edit as the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.benchmark_layouts import BenchmarkLayout
from src.data.benchmarks.formats import opened
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from tests.conftest import png
from tests.official_layouts import (
    AURORA_BENCH,
    HUMAN_EDIT,
    MAGIC_BRUSH,
    OMNI_EDIT,
    VISMIN,
    aurora_json,
    colour,
    magic_brush_test,
    parquet,
)
from tests.test_public_benchmarks import sound

WRITERS: dict[str, Callable[[Path], Path]] = {
    "omni-edit": lambda folder: parquet(folder, OMNI_EDIT),
    "magicbrush": lambda folder: parquet(folder, MAGIC_BRUSH),
    "aurora": aurora_json,
    "human-edit": lambda folder: parquet(folder, HUMAN_EDIT),
    "vismin": lambda folder: parquet(folder, VISMIN),
}


def facts(sample: EditSample) -> dict[str, Any]:
    assert sample.source is not None
    return {
        "id": sample.sample_id,
        "category": sample.category,
        "instruction": sample.instruction,
        "source": sample.source.read_bytes(),
        "edit": sample.reference.read_bytes() if sample.reference else None,
    }


def drawn(number: int) -> bytes:
    return png(colour(number))


def test_omni_edit_has_the_last_wording_and_the_scores_of_its_filter(tmp_path: Path) -> None:
    samples = sound(WRITERS["omni-edit"](tmp_path), "omni-edit")
    assert facts(samples[1]) == {
        "id": "task_obj_add_2",
        "category": "addition",
        "instruction": "add a red hat",
        "source": drawn(2),
        "edit": drawn(9),
    }
    assert samples[1].attributes == {"sc_score_1": "9", "sc_score_2": "8", "pq_score": "7", "o_score": "7.5"}


def test_turns_of_magic_brush_are_samples_and_a_session_is_a_cluster(tmp_path: Path) -> None:
    samples = sound(WRITERS["magicbrush"](tmp_path), "magicbrush")
    assert [(sample.sample_id, sample.cluster) for sample in samples] == [
        ("368667_1", "368667"),
        ("368667_2", "368667"),
        ("99_1", "99"),
    ]
    assert facts(samples[1]) == {
        "id": "368667_2",
        "category": "magicbrush",
        "instruction": "turn 2 of 368667",
        "source": drawn(2),
        "edit": drawn(3),
    }


@pytest.mark.parametrize("of_file", [False, True])
def test_the_test_set_of_magic_brush_is_its_folder_or_file(tmp_path: Path, of_file: bool) -> None:
    folder = magic_brush_test(tmp_path / "test")
    samples = sound(folder / "edit_turns.json" if of_file else folder, "magicbrush")
    assert [facts(sample) for sample in samples] == [
        {
            "id": f"7_{turn}",
            "category": "magicbrush",
            "instruction": f"turn {turn}",
            "source": (folder / f"images/7/7-{'input' if turn == 1 else 'output1'}.png").read_bytes(),
            "edit": (folder / f"images/7/7-output{turn}.png").read_bytes(),
        }
        for turn in (1, 2)
    ]
    assert {sample.cluster for sample in samples} == {"7"}


def test_paths_of_aurora_begin_at_the_repository(tmp_path: Path) -> None:
    [sample] = sound(aurora_json(tmp_path), "aurora")
    assert facts(sample) == {
        "id": "item_00000",
        "category": "ag",
        "instruction": "stand closer",
        "source": drawn(0),
        "edit": drawn(1),
    }


def test_aurora_bench_has_its_parts_as_categories_and_no_edits(tmp_path: Path) -> None:
    [sample] = sound(parquet(tmp_path, AURORA_BENCH), "aurora")
    assert facts(sample) == {
        "id": "item_00000",
        "category": "ag",
        "instruction": "close the door",
        "source": drawn(1),
        "edit": None,
    }


def test_human_edit_has_its_types_as_categories_and_says_what_the_source_shows(tmp_path: Path) -> None:
    [sample] = sound(WRITERS["human-edit"](tmp_path), "human-edit")
    assert facts(sample) == {
        "id": "item_00000",
        "category": "Add",
        "instruction": "add a hat",
        "source": drawn(1),
        "edit": drawn(2),
    }
    assert sample.description == "a man"
    assert sample.attributes["IMAGE_ID"] == "a1"


def test_instructions_of_vismin_are_without_the_name_of_their_column_and_ids_may_come_twice(tmp_path: Path) -> None:
    samples = sound(WRITERS["vismin"](tmp_path), "vismin")
    assert [sample.attributes["id"] for sample in samples] == ["7", "7"]
    assert facts(samples[0])["instruction"] == "add a second dog"
    assert facts(samples[1]) == {
        "id": "item_00001",
        "category": "vismin",
        "instruction": "move the cup to the left of the plate",
        "source": drawn(1),
        "edit": drawn(2),
    }


@pytest.mark.parametrize(
    ("layout", "rows", "changes", "reason"),
    [
        ("omni-edit", OMNI_EDIT, {"edited_prompt_list": []}, "edited_prompt_list"),
        ("omni-edit", OMNI_EDIT, {"task": None}, "field `task` is absent"),
        ("magicbrush", MAGIC_BRUSH, {"img_id": None}, "img_id"),
        ("magicbrush", MAGIC_BRUSH, {"source_img": None}, "source_img"),
        ("human-edit", HUMAN_EDIT, {"EDITING_INSTRUCTION": " "}, "EDITING_INSTRUCTION"),
        ("aurora", AURORA_BENCH, {"instruction": None}, "instruction"),
        ("vismin", VISMIN, {"edit_instruction": "edit_instruction:  "}, "edit_instruction"),
        ("vismin", VISMIN, {"source_image": None}, "source_image"),
    ],
)
def test_a_row_without_what_it_needs_is_a_bad_sample(
    tmp_path: Path, layout: BenchmarkLayout, rows: list[dict[str, Any]], changes: dict[str, Any], reason: str
) -> None:
    path = parquet(tmp_path, [rows[0], {**rows[0], "omni_edit_id": "other", "turn_index": 9} | changes])
    items = list(load_samples(str(path), Selection(format=layout)))
    assert isinstance(items[0], EditSample)
    assert isinstance(items[1], BadSample)
    assert reason in items[1].reason


@pytest.mark.parametrize(
    ("layout", "data_path", "source"),
    [
        ("omni-edit", "hf://TIGER-Lab/OmniEdit-Filtered-1.2M", "hf://TIGER-Lab/OmniEdit-Filtered-1.2M@dev"),
        ("magicbrush", "hf://osunlp/MagicBrush@train", "hf://osunlp/MagicBrush@train"),
        ("human-edit", "hf://BryanW/HumanEdit", "hf://BryanW/HumanEdit@train"),
        ("vismin", "hf://mair-lab/escher-vismin-dev", "hf://mair-lab/escher-vismin-dev@train"),
        ("aurora", "hf://McGill-NLP/aurora-bench@test", "hf://McGill-NLP/aurora-bench@test"),
    ],
)
def test_the_hub_is_asked_for_the_split_of_the_set(layout: BenchmarkLayout, data_path: str, source: str) -> None:
    assert opened(data_path, Selection(format=layout)).source == source


@pytest.mark.parametrize("layout", WRITERS)
def test_every_picture_is_inspected(tmp_path: Path, layout: BenchmarkLayout) -> None:
    path = WRITERS[layout](tmp_path)
    done = CliRunner().invoke(app, ["data", "inspect", str(path), "--format", layout, "--strict"])
    assert done.exit_code == 0, done.output
