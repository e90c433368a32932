"""Outputs of other tools are judged where they lie, in the official layout of their benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from main import app
from src.benchmark_layouts import BenchmarkLayout
from src.data.benchmarks.complex_edit import complex_edit_id, row_and_level
from src.data.benchmarks.complex_edit_outputs import LevelOutputs
from src.data.benchmarks.formats import FORMATS
from src.data.benchmarks.gedit import TASKS, gedit_id
from src.data.benchmarks.kris import CATEGORIES, kris_id
from src.data.benchmarks.outputs import find_output
from src.data.benchmarks.uniredit import uniredit_id
from src.errors import DataError
from src.models.diffusion.implementations.precomputed import PrecomputedEditModel
from tests.official_layouts import (
    GEDIT_ROWS,
    complex_edit,
    complex_edit_row,
    gedit,
    imgedit,
    imgedit_multiturn,
    imgedit_uge,
    kris,
    picture,
    rise,
    uniredit,
)

PRECOMPUTED = "src.models.diffusion.implementations.precomputed.PrecomputedEditModel"
OUTPUTS: dict[str, dict[str, str]] = {
    "gedit": {
        "motion_change_en_ab12": "fullset/motion_change/en/ab12.png",
        "subject-add_en_cd34": "fullset/subject-add/en/cd34.png",
        "ps_human_en_ef56": "fullset/ps_human/en/ef56.png",
    },
    "imgedit": {"1082": "1082.png", "1068": "1068.png", "673": "673.jpg"},
    "imgedit-uge": {"1": "1.png", "2": "2.jpeg"},
    "rise": {
        "temporal_reasoning_1": "images/temporal_reasoning/temporal_reasoning_1.png",
        "causal_reasoning_2": "images/causal_reasoning/causal_reasoning_2.jpg",
        "spatial_reasoning_3": "images/spatial_reasoning/spatial_reasoning_3.jpeg",
        "logical_reasoning_4": "images/logical_reasoning/logical_reasoning_4.png",
    },
    "kris": {
        "count_change_1": "count_change/1.jpg",
        "viewpoint_change_3": "viewpoint_change/3.jpg",
        "temporal_prediction_16": "temporal_prediction/16.jpg",
        "chemistry_1": "chemistry/1.jpg",
        "chemistry_12": "chemistry/12.jpg",
    },
    "uniredit": {"spatial_7": "spatial/7.png", "maze_2": "maze/2.png"},
}
DATA: dict[str, Any] = {
    "gedit": lambda folder: gedit(folder, GEDIT_ROWS),
    **{"imgedit": imgedit, "imgedit-uge": imgedit_uge, "rise": rise, "kris": kris, "uniredit": uniredit},
}


def write_outputs(folder: Path, layout: str) -> Path:
    for number, path in enumerate(OUTPUTS[layout].values()):
        picture(folder / path, number)
        if layout == "gedit":
            picture((folder / path).with_name(f"{Path(path).stem}_SRCIMG.png"), 99)
    return folder


@pytest.mark.parametrize("layout", sorted(OUTPUTS))
def test_outputs_are_judged_without_an_editor_and_a_missing_one_is_a_failed_edit_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    folder = DATA[layout](tmp_path / "data")
    outputs = write_outputs(tmp_path / "outputs", layout)
    monkeypatch.chdir(tmp_path)
    lost, path = list(OUTPUTS[layout].items())[1]
    (outputs / path).unlink()
    config = {
        "benchmark": {"data_path": str(folder), "format": layout},
        "diffusion_model": {"class_path": PRECOMPUTED, "params": {"folder": "outputs", "layout": layout}},
        "reward_model": {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": ["Score: 5"]}}},
        "scorer": {"class_path": "src.rewards.scorers.vie.VIEScorer"},
    }
    answer = '{"edit_success": 5, "no_overediting": 5, "naturalness": 5, "no_artifacts": 5}'
    config["reward_model"]["params"] = {"script": {"": [answer]}}  # type: ignore[index]
    Path("run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate", "--config", "run.yaml", "--output-dir", "out"])
    assert done.exit_code == 0, done.output
    [report] = Path("out/results").glob("*.json")
    rows = {row["sample_id"]: row for row in json.loads(report.read_text(encoding="utf-8"))["samples"]}
    assert rows.keys() == OUTPUTS[layout].keys()
    assert {name: row["status"] for name, row in rows.items()} == {
        name: "edit_failed" if name == lost else "scored" for name in rows
    }
    assert str(Path("outputs", path).with_suffix("")) in rows[lost]["reason"]


@pytest.mark.parametrize("layout", sorted(OUTPUTS))
def test_every_output_is_found_also_from_the_folder_within(tmp_path: Path, layout: BenchmarkLayout) -> None:
    outputs = write_outputs(tmp_path, layout)
    inside = {"gedit": "fullset", "rise": "images"}.get(layout, ".")
    for sample_id, path in OUTPUTS[layout].items():
        assert find_output(outputs, layout, sample_id).resolve() == (outputs / path).resolve()
        assert find_output(outputs / inside, layout, sample_id).resolve() == (outputs / path).resolve()


def test_outputs_of_several_turns_are_judged_where_an_editor_of_one_turn_could_not_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = imgedit_multiturn(tmp_path / "data")
    picture(tmp_path / "outputs" / "content_memory_1.png")
    monkeypatch.chdir(tmp_path)
    answer = '{"edit_success": 5, "no_overediting": 5, "naturalness": 5, "no_artifacts": 5}'
    config = {
        "benchmark": {"data_path": str(data), "format": "imgedit-multiturn"},
        "diffusion_model": {"class_path": PRECOMPUTED, "params": {"folder": "outputs"}},
        "reward_model": {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": [answer]}}},
        "scorer": {"class_path": "src.rewards.scorers.vie.VIEScorer"},
    }
    Path("run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate", "--config", "run.yaml", "--output-dir", "out"])
    assert done.exit_code == 0, done.output
    [report] = Path("out/results").glob("*.json")
    assert json.loads(report.read_text(encoding="utf-8"))["statuses"] == {"scored": 1, "edit_failed": 1}


def outputs_of_level(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        picture(folder / name, number)
    return folder


def test_numbered_outputs_of_complex_edit_are_judged_and_a_missing_one_moves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = complex_edit(tmp_path / "data", [complex_edit_row(number) for number in range(3)])
    outputs_of_level(tmp_path / "outputs", "0.png", "02.png")
    monkeypatch.chdir(tmp_path)
    params = {"folder": "outputs", "layout": "complex-edit", "level": 8}
    answer = '{"edit_success": 5, "no_overediting": 5, "naturalness": 5, "no_artifacts": 5}'
    config = {
        "benchmark": {"data_path": str(data), "format": "complex-edit", "difficulties": ["8"]},
        "diffusion_model": {"class_path": PRECOMPUTED, "params": params},
        "reward_model": {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": [answer]}}},
        "scorer": {"class_path": "src.rewards.scorers.vie.VIEScorer"},
    }
    Path("run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = CliRunner().invoke(app, ["evaluate", "--config", "run.yaml", "--output-dir", "out"])
    assert done.exit_code == 0, done.output
    [report] = Path("out/results").glob("*.json")
    rows = {row["sample_id"]: row for row in json.loads(report.read_text(encoding="utf-8"))["samples"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        **{"00000_c8": "scored", "00001_c8": "edit_failed", "00002_c8": "scored"}
    }
    assert rows["00001_c8"]["reason"].endswith("outputs has no picture of row 1")
    assert LevelOutputs(tmp_path / "outputs", 8, None).find("00002_c8").name == "02.png"


def test_outputs_that_only_their_order_tells_apart_are_taken_only_where_there_is_one_for_each_row(
    tmp_path: Path,
) -> None:
    folder = outputs_of_level(tmp_path / "outputs", "b.png", "a.png", "c.jpg")
    found = LevelOutputs(folder, 3, 3)
    assert [found.find(f"0000{row}_c3").name for row in range(3)] == ["a.png", "b.png", "c.jpg"]
    with pytest.raises(DataError, match=r"not numbered from 0 \(the first one is a\.png\).*params\.rows"):
        LevelOutputs(folder, 3, None)
    with pytest.raises(DataError, match=r"holds 3 pictures, and the set has 4 rows.*the picture of another"):
        PrecomputedEditModel.check_weights({"folder": folder, "layout": "complex-edit", "level": 3, "rows": 4})
    counted_from_one = outputs_of_level(tmp_path / "ones", "1.png", "2.png")
    assert LevelOutputs(counted_from_one, 3, 2).find("00000_c3").name == "1.png"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        LevelOutputs(tmp_path / "empty", 3, None)
    with pytest.raises(DataError, match="does not exist"):
        LevelOutputs(tmp_path / "nowhere", 3, None)


def test_an_output_of_another_level_another_id_and_two_of_a_row_are_no_edits(tmp_path: Path) -> None:
    found = LevelOutputs(outputs_of_level(tmp_path / "outputs", "0.png", "1.png", "01.png"), 3, None)
    with pytest.raises(ValueError, match=r"the outputs of level 3 .* 00000_c4 is of level 4: set benchmark\.difficult"):
        found.find("00000_c4")
    with pytest.raises(ValueError, match="is none of Complex-Edit's"):
        found.find("ab12")
    with pytest.raises(ValueError, match=r"2 edits of sample '00001_c3'.*keep one"):
        found.find("00001_c3")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"layout": "complex-edit"}, "set level"),
        ({"layout": "complex-edit", "level": 9}, "level"),
        ({"layout": "kris", "level": 3}, "level and rows are those of layout complex-edit"),
        ({"rows": 3}, "level and rows are those of layout complex-edit"),
    ],
)
def test_settings_of_a_level_belong_to_complex_edit_alone(tmp_path: Path, params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PrecomputedEditModel.Params(folder=tmp_path, **params)


@given(row=st.integers(0, 10**7), level=st.integers(1, 8))
def test_row_and_level_follow_from_the_id(row: int, level: int) -> None:
    assert row_and_level(complex_edit_id(row, level)) == (row, level)


def test_a_missing_folder_of_outputs_says_what_is_there_instead(tmp_path: Path) -> None:
    picture(tmp_path / "motion_change" / "ab12.png")
    picture(tmp_path / "text_change" / "x.png")
    with pytest.raises(FileNotFoundError) as raised:
        find_output(tmp_path, "gedit", "ps_human_en_ef56")
    said = str(raised.value)
    assert f"there is no {tmp_path}/ps_human/en/ef56.{{png,jpg,jpeg,webp}}, nor {tmp_path}/fullset/ps_human" in said
    assert said.endswith(f"{tmp_path} holds motion_change, text_change")
    with pytest.raises(FileNotFoundError, match=r"motion_change holds ab12\.png$"):
        find_output(tmp_path, "gedit", "motion_change_en_ab12")


def test_two_outputs_of_a_sample_and_ids_of_another_benchmark_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "chemistry" / "1.jpg")
    picture(tmp_path / "chemistry" / "1.png")
    with pytest.raises(ValueError, match=r"2 edits of sample 'chemistry_1': .*1\.png.*1\.jpg; keep one of them"):
        find_output(tmp_path, "kris", "chemistry_1")
    with pytest.raises(ValueError, match=r"is none of KRIS-Bench.s: set benchmark\.format to kris"):
        find_output(tmp_path, "kris", "00012")


def test_the_layout_is_part_of_the_identity_and_none_leaves_it_as_it_was(tmp_path: Path) -> None:
    def params(**more: str) -> dict[str, Any]:
        found: dict[str, Any] = PrecomputedEditModel.identity({"folder": str(tmp_path), **more})["params"]
        return found

    assert params() == params(layout="native") == {"folder": str(tmp_path)}
    assert params(layout="kris") == {"folder": str(tmp_path), "layout": "kris"}


_KEYS = st.text("abc_-.12", min_size=1, max_size=6)


@given(
    key=_KEYS, task=st.sampled_from(TASKS), category=st.sampled_from(CATEGORIES), language=st.sampled_from(("en", "cn"))
)
def test_the_path_of_an_output_follows_from_the_id_whatever_the_key(
    key: str, task: str, category: str, language: str
) -> None:
    assert FORMATS["gedit"].output_names(gedit_id(task, language, key)) == [f"{task}/{language}/{key}"]
    assert FORMATS["kris"].output_names(kris_id(category, key)) == [f"{category}/{key}"]
    assert FORMATS["imgedit"].output_names(key) == [key]
    assert f"{category}/{key}" in FORMATS["uniredit"].output_names(uniredit_id(category, key))
