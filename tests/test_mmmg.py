"""MMMG is read as it is published: levels, disciplines, graphs with MMMG's own ends, and reference pictures."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from src.config import parse_config
from src.data.knowledge_graph import read_knowledge_graph
from src.data.loader import load_others, load_samples
from src.data.sample import BadSample, EditSample, PassedOver
from src.data.selection import Selection
from src.errors import DataError
from src.pipeline.evaluation import evaluate
from tests.conftest import png

LEVELS = ("0_preschool", "1_primaryschool", "2_secondaryschool", "3_highschool", "4_undergraduate", "5_PhD")
DISCIPLINES = tuple(f"Discipline {place}" for place in range(10))
MMMG = Selection(format="mmmg")


def row(key: str = "photosynthesis", **changes: Any) -> dict[str, Any]:
    components = {
        "elements": ["Sun", "Green leaf", "Sugar, in the sap"],
        "dependencies": ["Causes(Sun, change(leaf))", "Requires(Sugar, in the sap, Green leaf)"],
    }
    fields = {
        "question": f"Draw a picture that explains {key}.",
        "key": key,
        "Visual Components": components,
        "Key Knowledge": "Leaves make sugar of light.",
        "img_path": "pictures/leaf.png",
    }
    return {**fields, **changes}


def written(folder: Path, data: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pictures").mkdir(exist_ok=True)
    (folder / "pictures" / "leaf.png").write_bytes(png((0, 200, 0)))
    path = folder / "MMMG.json"
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return path


def whole(per_pair: int = 1) -> dict[str, Any]:
    """All pairs but one, as published."""
    return {
        level: {
            name: [row(f"{name} {place}") for place in range(per_pair)]
            for name in DISCIPLINES
            if (level, name) != (LEVELS[0], DISCIPLINES[-1])
        }
        for level in LEVELS
    }


def read(path: Path, **selection: Any) -> list[EditSample | BadSample]:
    return list(load_samples(str(path), Selection(format="mmmg", **selection)))


def test_a_row_becomes_a_sample_of_text_alone(tmp_path: Path) -> None:
    (sample,) = read(written(tmp_path, {"0_preschool": {"Biology": [row()]}}))
    assert isinstance(sample, EditSample)
    assert (sample.source, sample.instruction) == (None, "Draw a picture that explains photosynthesis.")
    assert (sample.sample_id, sample.category, sample.difficulty) == (
        "0_preschool_Biology_photosynthesis",
        "Biology",
        "0_preschool",
    )
    assert sample.rationale == "Leaves make sugar of light."
    assert sample.reference is not None
    assert sample.reference.decode().size == (16, 16)
    assert sample.graph is not None
    assert sample.graph.elements == ("Sun", "Green leaf", "Sugar, in the sap")
    assert [(one.source, one.relation, one.target) for one in sample.graph.dependencies] == [
        ("Sun", "Causes", "Green leaf"),
        ("Sugar, in the sap", "Requires", "Green leaf"),
    ]
    assert sample.attributes == {"key": "photosynthesis", "level": "0_preschool", "discipline": "Biology"}


def test_all_59_pairs_are_read_without_a_warning_and_can_be_selected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, whole(2))
    samples = read(path)
    assert len(samples) == 2 * 59
    assert len({(one.difficulty, one.category) for one in samples}) == 59
    assert len({one.sample_id for one in samples}) == 2 * 59
    assert caplog.records == []
    assert len(read(path, difficulties=("5_phd",))) == 2 * 10
    assert len(read(path, categories=("Discipline 9",), difficulties=("0_preschool", "1_primaryschool"))) == 2


def test_a_part_of_the_benchmark_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read(written(tmp_path, {"0_preschool": {"Biology": [row()]}}))
    assert "1 levels, 1 disciplines and 1 pairs of them with prompts, where MMMG has 6, 10 and 59" in caplog.text


def test_one_key_twice_has_two_ids_that_do_not_depend_on_the_selection(tmp_path: Path) -> None:
    data = {"5_PhD": {"Art / Design": [row("a/b"), row("a/b"), row("a b")]}}
    path = written(tmp_path, data)
    ids = [one.sample_id for one in read(path)]
    assert ids == ["5_PhD_Art_Design_a_b", "5_PhD_Art_Design_a_b-2", "5_PhD_Art_Design_a_b-3"]
    others = list(load_others(str(path), MMMG, {0: ids[0], 1: ids[1]}))
    assert [isinstance(one, PassedOver) for one in others] == [True, True, False]
    assert others[2].sample_id == ids[2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": " "}, "field `question` is absent or blank"),
        ({"Visual Components": None}, "field `Visual Components` is NoneType, not an object"),
        ({"Visual Components": "{"}, "field `Visual Components` "),
        ({"Visual Components": {"elements": []}}, "field `Visual Components` has no elements"),
        (
            {"Visual Components": {"elements": ["red leaf", "green leaf"], "dependencies": ["Causes(leaf, red leaf)"]}},
            "whose ends are not two of its elements",
        ),
        ({"img_path": 3}, "field `img_path` is int, not a path"),
    ],
)
def test_a_row_that_cannot_be_run_is_a_bad_sample_in_its_place(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    bad, good = read(written(tmp_path, {"0_preschool": {"Biology": [row("x", **change), row("y")]}}))
    assert isinstance(bad, BadSample)
    assert reason in bad.reason
    assert (bad.category, bad.difficulty) == ("Biology", "0_preschool")
    assert isinstance(good, EditSample)


@pytest.mark.parametrize(("data", "bad"), [({"0_preschool": []}, 1), ({"0_preschool": {"Biology": ["x", row()]}}, 1)])
def test_what_is_not_of_the_layout_is_a_bad_sample(tmp_path: Path, data: Any, bad: int) -> None:
    found = read(written(tmp_path, data))
    assert sum(isinstance(one, BadSample) for one in found) == bad


def test_a_folder_means_its_only_file_and_the_hub_and_lists_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "data", {"0_preschool": {"Biology": [row()]}})
    assert len(read(path.parent)) == 1
    with pytest.raises(DataError, match=r"download both, and set benchmark\.data_path to the JSON file"):
        list(load_samples("hf://nobody/MMMG", MMMG))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match=r"list\.json"):
        read(tmp_path / "list.json")


def test_a_graph_may_be_json_text_and_knowledge_an_object(tmp_path: Path) -> None:
    changed = row(**{"Visual Components": json.dumps(row()["Visual Components"]), "Key Knowledge": {"a": ["b"]}})
    (sample,) = read(written(tmp_path, {"0_preschool": {"Biology": [changed]}}))
    assert isinstance(sample, EditSample)
    assert sample.graph is not None
    assert sample.rationale == '{"a": ["b"]}'


@pytest.mark.parametrize(
    ("elements", "written_end", "meant"),
    [
        (["Green leaf", "Sun"], "leaf", "Green leaf"),
        (["Leaf", "Sun"], "the green leaf", "Leaf"),
        (["leaf", "Green leaf", "Sun"], "leaf", "leaf"),
        (["Green leaf", "Sun"], "change(LEAF)", "Green leaf"),
    ],
)
def test_an_end_is_the_only_element_that_it_has_a_part_in_common_with(
    elements: list[str], written_end: str, meant: str
) -> None:
    value = {"elements": elements, "dependencies": [f"Causes(Sun, {written_end})"]}
    (one,) = read_knowledge_graph(value, by_parts=True).dependencies
    assert one.target == meant
    if meant != written_end:
        with pytest.raises(ValueError, match="not two of its elements"):
            read_knowledge_graph(value)


def test_a_run_of_mmmg_is_judged_by_its_graphs_and_reported_by_level_and_discipline(tmp_path: Path) -> None:
    path = written(tmp_path / "data", {"0_preschool": {"Biology": [row()]}, "5_PhD": {"History": [row("rome")]}})
    script = {"Causes": ["no"], "": ["yes"]}
    config = parse_config(
        {
            "benchmark": {"data_path": str(path), "format": "mmmg"},
            "diffusion_model": {"class_path": "tests.test_text_to_image.Painter"},
            "reward_model": {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": script}},
            "scorer": {"class_path": "src.rewards.scorers.knowledge_graph.KnowledgeGraphScorer"},
            "evaluation": {"output_dir": str(tmp_path / "out")},
        },
        "test",
    )
    report = evaluate(config).report
    assert report["statuses"] == {"scored": 2}
    assert report["overall_statistics"]["mean"] == pytest.approx(10 * 2 * 4 / (5 + 4))
    assert {row["category"] for row in report["samples"]} == {"Biology", "History"}
