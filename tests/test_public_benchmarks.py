"""Public benchmarks are read as they are published: categories, languages, clusters and several sources are theirs."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.logging import RichHandler
from typer.testing import CliRunner

from main import app
from src.benchmark_config import BenchmarkConfig
from src.benchmark_layouts import BenchmarkLayout
from src.data.benchmarks.formats import FORMATS, opened
from src.data.image import content_hash
from src.data.loader import load_others, load_samples
from src.data.sample import BadSample, EditSample, PassedOver
from src.data.selection import Selection
from src.errors import DataError
from src.pipeline.plan import run_key
from tests.conftest import png
from tests.official_layouts import (
    GEDIT_ROWS,
    IMGEDIT,
    KRIS,
    MULTITURN,
    RISE,
    UGE,
    UNIREDIT,
    colour,
    complex_edit,
    complex_edit_row,
    gedit,
    gedit_row,
    imgedit,
    imgedit_multiturn,
    imgedit_uge,
    kris,
    picture,
    rise,
    rise_item,
    uniredit,
    write_json,
)


def read(path: Path, layout: BenchmarkLayout, **selection: Any) -> list[EditSample | BadSample]:
    return list(load_samples(str(path), Selection(format=layout, **selection)))


def sound(path: Path, layout: BenchmarkLayout, **selection: Any) -> list[EditSample]:
    items = read(path, layout, **selection)
    assert [item.reason for item in items if isinstance(item, BadSample)] == []
    return [item for item in items if isinstance(item, EditSample)]


WRITERS: dict[str, Callable[[Path], Path]] = {
    "gedit": lambda folder: gedit(folder, GEDIT_ROWS),
    "imgedit": imgedit,
    "imgedit-uge": imgedit_uge,
    "imgedit-multiturn": imgedit_multiturn,
    "rise": rise,
    "kris": kris,
    "uniredit": uniredit,
    "complex-edit": lambda folder: complex_edit(folder, [complex_edit_row(0), complex_edit_row(1)]),
}
COUNTS = {"gedit": 3, "imgedit": 3, "rise": 4, "kris": 5, "uniredit": 2, "complex-edit": 16}
COUNTS |= {"imgedit-uge": 2, "imgedit-multiturn": 2}
NOT_APPLICABLE = {
    "kris": (1, "the sample has 3 source pictures, and InvertEditor edits one"),
    "imgedit-multiturn": (2, "edited in 3 turns, each of what the one before has made, and InvertEditor edits once"),
}


@pytest.fixture(autouse=True)
def _no_console_of_an_earlier_command() -> None:
    for handler in [one for one in logging.getLogger().handlers if isinstance(one, RichHandler)]:
        logging.getLogger().removeHandler(handler)


# What the layouts say.


def test_gedit_gives_the_rows_of_the_runs_language_under_the_tasks_of_the_benchmark(tmp_path: Path) -> None:
    folder = gedit(tmp_path, GEDIT_ROWS)
    english, chinese = (sound(folder, "gedit", language=language) for language in ("en", "zh"))
    assert [(one.sample_id, one.category, one.instruction) for one in english] == [
        ("motion_change_en_ab12", "motion_change", "change ab12"),
        ("subject-add_en_cd34", "subject-add", "change cd34"),
        ("ps_human_en_ef56", "ps_human", "change ef56"),
    ]
    assert [one.instruction for one in chinese] == ["改变 ab12", "改变 cd34", "改变 ef56"]
    assert {one.sample_id for one in english}.isdisjoint(one.sample_id for one in chinese)
    assert english[0].attributes == {"key": "ab12", "Intersection_exist": "true", "instruction_language": "en"}
    assert english[0].source.read_bytes() == png(colour(sum(map(ord, "ab12"))))


def test_imgedit_names_its_samples_by_their_keys_and_clusters_them_by_their_images(tmp_path: Path) -> None:
    samples = sound(imgedit(tmp_path), "imgedit")
    assert [(one.sample_id, one.category, one.cluster) for one in samples] == [
        ("1082", "adjust", "animal/000342021.jpg"),
        ("1068", "adjust", "animal/000047206.jpg"),
        ("673", "style", "animal/000047206.jpg"),
    ]
    assert samples[2].instruction == "as a woodcut"


@pytest.mark.parametrize("images", [".", "original_images", "singleturn", "Benchmark/singleturn"])
def test_the_images_of_imgedit_are_found_where_its_archive_and_its_readme_put_them(tmp_path: Path, images: str) -> None:
    assert all(one.source.decode() for one in sound(imgedit(tmp_path, images=images), "imgedit"))


@pytest.mark.parametrize("images", [".", "original_images", "hard", "Benchmark/hard"])
def test_the_uge_suite_of_imgedit_is_read_from_its_repository_and_its_archive(tmp_path: Path, images: str) -> None:
    samples = sound(imgedit_uge(tmp_path, images=images), "imgedit-uge")
    assert [(one.sample_id, one.category, one.instruction, one.cluster) for one in samples] == [
        (key, "uge", item["prompt"], item["id"]) for key, item in UGE.items()
    ]
    assert all(one.source.decode() for one in samples if one.source)
    assert sound(tmp_path / "UGE_edit.json", "imgedit-uge") == samples


def test_the_turns_of_imgedits_multi_turn_suite_are_kept_in_their_order_under_the_folders_name(tmp_path: Path) -> None:
    memory, back = sound(imgedit_multiturn(tmp_path / "Benchmark" / "multiturn"), "imgedit-multiturn")
    assert (memory.sample_id, memory.category, memory.cluster) == ("content_memory_1", "content_memory", "66341.jpg")
    assert memory.turns == ("all edits are green: fill the plate", "fruit", "another plate")
    assert memory.instruction == "1. all edits are green: fill the plate\n2. fruit\n3. another plate"
    assert memory.attributes["turn3"] == "another plate"
    assert (back.sample_id, back.turns) == ("version_backtrace_1", ("add a hat", "go back, and add a scarf"))
    assert all(one.source.decode() for one in (memory, back) if one.source)
    folder = tmp_path / "Benchmark" / "multiturn" / "version_backtrace"
    assert sound(tmp_path, "imgedit-multiturn") != [back]
    for path in (folder, folder / "annotation.json"):
        [alone] = sound(path, "imgedit-multiturn")
        assert (alone.sample_id, alone.turns) == (back.sample_id, back.turns)


def test_images_of_the_multi_turn_suite_may_lie_in_one_folder(tmp_path: Path) -> None:
    folder = imgedit_multiturn(tmp_path / "data", images="../images")
    samples = sound(folder, "imgedit-multiturn", image_dir=str(tmp_path / "images"))
    assert all(one.source.decode() for one in samples if one.source)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"turn2": " "}, "field `turn2` is absent or blank"),
        ({"turn2": None}, "fields `turn1` and `turn2` are absent or blank"),
        ({"turn3": 5}, None),
        ({"id": ["a.jpg"]}, "field `id` is list, not text"),
        ({"id": "../../up.jpg"}, "leads out of the folder"),
    ],
)
def test_an_item_of_the_multi_turn_suite_that_cannot_be_one_is_a_bad_sample(
    tmp_path: Path, changes: dict[str, Any], reason: str | None
) -> None:
    imgedit_multiturn(tmp_path)
    items = {"1": MULTITURN["content_memory"]["1"] | changes}
    write_json(tmp_path / "content_memory" / "annotation.json", items)
    first, second = read(tmp_path, "imgedit-multiturn")
    assert isinstance(second, EditSample)
    if reason is None:
        assert isinstance(first, EditSample)
    else:
        assert isinstance(first, BadSample)
        assert reason in first.reason


def test_images_elsewhere_are_named_by_image_dir(tmp_path: Path) -> None:
    folder = imgedit(tmp_path, images="../elsewhere")
    assert all(one.source.decode() for one in sound(folder, "imgedit", image_dir=str(tmp_path.parent / "elsewhere")))
    with pytest.raises(DataError, match=r"benchmark\.image_dir .*nowhere is no folder"):
        read(folder, "imgedit", image_dir=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("place", ["data/data_total.json", "data_total.json", "datav2_total_w_subtask.json"])
def test_rise_brings_references_as_texts_and_as_images_and_its_switches(tmp_path: Path, place: str) -> None:
    temporal, causal, spatial, logical = sound(rise(tmp_path, name=place), "rise")
    assert (temporal.sample_id, temporal.category) == ("temporal_reasoning_1", "temporal_reasoning")
    assert (temporal.attributes["reference"], temporal.tags) == ("the end of 1", ("a subtask",))
    assert (causal.attributes["consistency_free"], causal.attributes["reasoning_img"]) == ("true", "x")
    assert "consistency_free" not in temporal.attributes
    assert spatial.reference is not None
    assert spatial.reference.read_bytes() == png(colour(52))
    assert logical.attributes["reference_txt"] == "7"
    assert all(one.source.decode() for one in (temporal, causal, spatial, logical))


def test_a_switch_of_rise_that_is_nan_is_not_set(tmp_path: Path) -> None:
    nan = float("nan")
    items = [rise_item("temporal_reasoning", 1, consistency_free=nan, reference_img=nan)]
    [sample] = sound(rise(tmp_path, items), "rise")
    assert "consistency_free" not in sample.attributes
    assert sample.reference is None


def test_a_damaged_category_of_kris_keeps_none_of_the_others_from_being_read(tmp_path: Path) -> None:
    kris(tmp_path)
    whole = [one.sample_id for one in sound(tmp_path, "kris")]
    for name in ("viewpoint_change", "chemistry"):
        file = tmp_path / name / "annotation.json"
        file.write_text(file.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    samples = load_samples(str(tmp_path), Selection(format="kris"))
    seen: list[str] = []
    with pytest.raises(DataError, match=r"viewpoint_change/annotation\.json.*chemistry/annotation\.json"):
        seen.extend(one.sample_id for one in samples if isinstance(one, EditSample))
    assert seen == [name for name in whole if name not in ("viewpoint_change_3", "chemistry_12")]


@pytest.mark.parametrize(
    ("older", "now"),
    [
        *(("object_count", "count_change"), ("rule_reasoning", "rule-based_reasoning")),
        *(("abnormality_correction", "anomaly_correction"), ("view_pair", "viewpoint_change")),
        ("daily_life", "practical_knowledge"),
    ],
)
def test_a_folder_of_kris_that_older_scripts_name_is_told_what_the_data_call_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, older: str, now: str
) -> None:
    kris(tmp_path, {"chemistry": KRIS["chemistry"]})
    kris(tmp_path, {older: KRIS["count_change"]})
    with caplog.at_level(logging.WARNING):
        sound(tmp_path, "kris")
    (said,) = (record.getMessage() for record in caplog.records if "is none of" in record.getMessage())
    assert f"the folder {older!r} is none of KRIS-Bench" in said
    assert f"The data have it as {now!r}" in said


@pytest.mark.parametrize("name", ["data/data_total.json", "data/rows.parquet"])
def test_rise_tells_of_every_item_which_switches_the_data_have_as_a_column(tmp_path: Path, name: str) -> None:
    """The file of 64 items of the benchmark's repository has none of them; the full one has both."""
    plain = [rise_item("temporal_reasoning", number) for number in (1, 2)]
    full = [*plain, rise_item("temporal_reasoning", 3, consistency_free="1"), rise_item("causal_reasoning", 4)]
    for place, (items, columns) in enumerate(((plain, None), (full, ("consistency_free",)))):
        folder = rise(tmp_path / str(place), items)
        path = folder / name
        if path.suffix == ".parquet":
            blank = {"consistency_free": None} if columns else {}
            table = [{**item, "image": {"bytes": png(colour(1)), "path": None}} for item in items]
            pq.write_table(pa.Table.from_pylist([{**blank, **row} for row in table]), path)
        assert [one.attributes.get("columns") for one in sound(path, "rise")] == [columns] * len(items)


def test_kris_brings_knowledge_as_rationale_truth_as_reference_and_frames_as_sources(tmp_path: Path) -> None:
    samples = {one.sample_id: one for one in sound(kris(tmp_path), "kris")}
    assert list(samples) == [
        *("count_change_1", "viewpoint_change_3", "temporal_prediction_16", "chemistry_1", "chemistry_12"),
    ]
    assert samples["chemistry_1"].rationale == "litmus turns red"
    assert samples["count_change_1"].rationale is None
    assert samples["viewpoint_change_3"].reference is not None
    frames = samples["temporal_prediction_16"]
    assert frames.attributes["ori_img"] == ("16-1.jpg", "16-3.jpg", "16-4.jpg")
    shown = [one.path.name for one in (frames.source, *frames.further_sources) if one.path]
    assert shown == ["16-1.jpg", "16-3.jpg", "16-4.jpg"]
    assert (frames.reference and frames.reference.path) == tmp_path / "temporal_prediction" / "16-2.jpg"
    assert [one.index for one in samples.values()] == [0, 1, 2, 3, 4]


def test_uniredit_tells_the_editor_the_rules_before_the_instruction_and_keeps_it_apart(tmp_path: Path) -> None:
    spatial, maze = sound(uniredit(tmp_path), "uniredit")
    assert (spatial.sample_id, spatial.instruction) == ("spatial_7", "turn it")
    assert (maze.category, maze.instruction) == ("maze", "Walls cannot be crossed. draw the way out")
    assert (maze.attributes["instruction"], maze.attributes["rules"]) == (
        "draw the way out",
        "Walls cannot be crossed.",
    )
    assert "instruction" not in spatial.attributes
    assert maze.reference is not None
    assert maze.reference.decode().getpixel((0, 0)) == colour(10)


def test_complex_edit_gives_each_row_once_a_level_and_one_cluster_a_row(tmp_path: Path) -> None:
    folder = complex_edit(tmp_path, [complex_edit_row(0), complex_edit_row(1)])
    samples = sound(folder, "complex-edit")
    assert len(samples) == 16
    assert Counter(one.cluster for one in samples) == {"00000": 8, "00001": 8}
    hardest = sound(folder, "complex-edit", difficulties=("8",))
    assert [(one.sample_id, one.instruction) for one in hardest] == [("00000_c8", "0: all 8"), ("00001_c8", "1: all 8")]


@pytest.mark.parametrize("layout", sorted(WRITERS))
def test_a_second_reading_passes_over_what_is_known_and_gives_the_others_as_the_first(
    tmp_path: Path, layout: BenchmarkLayout
) -> None:
    folder = WRITERS[layout](tmp_path)
    first = sound(folder, layout)
    assert len(first) == COUNTS[layout]
    known = {one.index: one.sample_id for one in first[1:]}
    again = list(load_others(str(folder), Selection(format=layout), known))
    assert [one for one in again if not isinstance(one, PassedOver)] == [first[0]]
    assert {one.index for one in again if isinstance(one, PassedOver)} == set(known)


def test_the_layout_is_part_of_the_run_key_and_none_leaves_it_as_it_was(tmp_path: Path) -> None:
    class Nothing:
        prompts: dict[str, Any] = {}  # noqa: RUF012
        digest = "scorer"
        scorer = type("S", (), {"prompt_versions": staticmethod(dict)})

    def key(**section: Any) -> str:
        return run_key(BenchmarkConfig(data_path="x", **section), Nothing(), "editor", 0)  # type: ignore[arg-type]

    assert len({key(), key(format="gedit"), key(format="rise")}) == 3
    assert key() == key(format="native", image_dir=tmp_path)


@pytest.mark.parametrize(
    ("layout", "data_path", "asked"),
    [
        ("gedit", "hf://stepfun-ai/GEdit-Bench", ("stepfun-ai/GEdit-Bench", None, "train")),
        ("gedit", "hf://stepfun-ai/GEdit-Bench@test", ("stepfun-ai/GEdit-Bench", None, "test")),
        ("complex-edit", "hf://UCSC-VLAA/Complex-Edit", ("UCSC-VLAA/Complex-Edit", None, "test_real")),
        ("complex-edit", "hf://UCSC-VLAA/Complex-Edit@test_syn", ("UCSC-VLAA/Complex-Edit", None, "test_syn")),
        ("native", "hf://org/name:config", ("org/name", "config", "test")),
    ],
)
def test_a_dataset_on_the_hub_is_streamed_from_the_split_that_the_benchmark_has(
    monkeypatch: pytest.MonkeyPatch, layout: BenchmarkLayout, data_path: str, asked: tuple[str, str | None, str]
) -> None:
    class Rows(list[Any]):
        features: dict[str, Any] = {}  # noqa: RUF012

    def load_dataset(name: str, config: str | None, *, split: str, streaming: bool) -> Rows:
        assert (name, config, split) == asked
        assert streaming
        return Rows([complex_edit_row(0) if layout == "complex-edit" else gedit_row("ps_human", "ab")])

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert list(load_samples(data_path, Selection(format=layout)))


def test_kris_on_the_hub_is_no_dataset_of_rows_and_imgedit_says_what_to_download() -> None:
    with pytest.raises(DataError, match=r"set benchmark\.data_path to basic_edit\.json and benchmark\.image_dir"):
        read("hf://sysuyy/ImgEdit", "imgedit")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"download .* and set benchmark\.data_path"):
        read("hf://mercurystraw/Kris_Bench", "kris")  # type: ignore[arg-type]


# Through the command line.


@pytest.mark.parametrize("layout", sorted(WRITERS))
def test_a_public_benchmark_is_inspected_checked_and_run_by_its_layouts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = WRITERS[layout](tmp_path / "data")
    done = CliRunner().invoke(app, ["data", "inspect", str(folder), "--format", layout, "--json", "--strict"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["items"] == COUNTS[layout]
    config = {
        "benchmark": {"data_path": str(folder), "format": layout},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
        "reward_model": {"class_path": "tests.plugins.BrightnessJudge"},
    }
    Path("run.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    told = CliRunner().invoke(app, ["check", "--config", "run.yaml"])
    assert told.exit_code == 0, told.output
    assert f"{COUNTS[layout]} " in told.output
    done = CliRunner().invoke(app, ["evaluate", "--config", "run.yaml", "--output-dir", "out"])
    count, reason = NOT_APPLICABLE.get(layout, (0, ""))
    assert done.exit_code == (count == COUNTS[layout]), done.output
    [report] = Path("out/results").glob("*.json")
    statuses = json.loads(report.read_text(encoding="utf-8"))["statuses"]
    wanted = {"scored": COUNTS[layout] - count, "not_applicable": count}
    assert statuses == {status: number for status, number in wanted.items() if number}
    if count:
        assert f"not applicable: 1 of {COUNTS[layout]} samples" in " ".join(told.output.split())
        assert "not_applicable" in done.output
        assert reason in " ".join(done.output.split())


# What is wrong with them.


def test_a_part_of_a_benchmark_is_run_and_said_to_be_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(sound(rise(tmp_path), "rise")) == 4
    [said] = [record.getMessage() for record in caplog.records]
    assert "there are 4 items where RISEBench has 360 (temporal_reasoning 1 of 85, causal_reasoning 1 of 90" in said
    assert "They can be run, but their means are not those of the whole benchmark" in said


def test_a_whole_benchmark_says_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sizes = FORMATS["rise"].SIZES
    items = [rise_item(category, number) for category, size in sizes.items() for number in range(size)]
    write_json(tmp_path / "data_total.json", items)
    with caplog.at_level(logging.WARNING):
        assert len(read(tmp_path, "rise")) == 360
    assert caplog.records == []


def test_both_languages_are_counted_apart_and_the_one_that_is_not_there_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = gedit(tmp_path / "en", [row for row in GEDIT_ROWS if row["instruction_language"] == "en"])
    with pytest.raises(DataError, match=r"No instruction is in zh: set benchmark\.language to en"):
        read(folder, "gedit", language="zh")
    left_out: Counter[str] = Counter()
    mixed = gedit(tmp_path / "mixed", [*GEDIT_ROWS, gedit_row("ps_human", "zz")])
    with caplog.at_level(logging.WARNING):
        assert len(list(load_samples(str(mixed), Selection(format="gedit"), left_out=left_out))) == 4
    assert left_out.total() == 3
    [said] = [record.getMessage() for record in caplog.records]
    assert "there are 4 items in en where GEdit-Bench has 606" in said
    done = CliRunner().invoke(app, ["data", "inspect", str(mixed), "--format", "gedit"])
    assert "3 in another language, which are not read" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task_type": "subject_add"}, "field `task_type` is 'subject_add', none of background_change, "),
        ({"task_type": None}, "field `task_type` is absent or blank"),
        ({"key": ""}, "field `key` is absent or blank"),
        ({"instruction_language": "fr"}, "field `instruction_language` is 'fr', none of en, cn, zh"),
        ({"instruction": " "}, "field `instruction` is absent or blank"),
        ({"input_image": None}, "the source image (field `input_image`) is absent or empty"),
        ({"key": "../up"}, "is not safe as a file name"),
    ],
)
def test_a_row_of_gedit_that_cannot_be_one_is_a_bad_sample_that_says_why(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    folder = gedit(tmp_path, [gedit_row("ps_human", "a"), gedit_row("ps_human", "b") | changes])
    good, bad = read(folder, "gedit")
    assert isinstance(good, EditSample)
    assert isinstance(bad, BadSample)
    assert reason in bad.reason


def test_a_bad_row_keeps_its_id_and_category_as_far_as_they_can_be_read(tmp_path: Path) -> None:
    items = {"1": IMGEDIT["1082"], "2": IMGEDIT["673"] | {"prompt": ["x"]}}
    [good, bad] = read(imgedit(tmp_path, items), "imgedit")
    assert isinstance(good, EditSample)
    assert isinstance(bad, BadSample)
    assert (bad.sample_id, bad.category, bad.reason) == ("2", "style", "field `prompt` is list, not text")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"edit_type": "adjust", "prompt": "x"}, "field `id` is absent or blank"),
        ({"id": "a.jpg", "prompt": "x", "edit_type": "adjusts"}, "none of extract, style"),
        ({"id": "a.jpg", "edit_type": "add"}, "field `prompt` is absent or blank"),
        ({"id": "../a.jpg", "prompt": "x", "edit_type": "add"}, "leads out of the folder"),
        (["a.jpg", "x"], "the item is list, not a mapping of fields"),
    ],
)
def test_an_item_of_imgedit_that_cannot_be_one_is_a_bad_sample_that_says_why(
    tmp_path: Path, item: Any, reason: str
) -> None:
    imgedit(tmp_path)
    write_json(tmp_path / "basic_edit.json", {**IMGEDIT, "bad": item})
    *good, bad = read(tmp_path, "imgedit")
    assert all(isinstance(one, EditSample) for one in good)
    assert isinstance(bad, BadSample)
    assert reason in bad.reason


def test_a_picture_that_is_not_there_is_a_bad_sample_named_by_its_own_id(tmp_path: Path) -> None:
    folder = rise(tmp_path / "data")
    (folder / "data" / "causal_reasoning_images" / "2.png").unlink()
    done = CliRunner().invoke(app, ["data", "inspect", str(folder), "--format", "rise", "--json", "--strict"])
    [problem] = json.loads(done.stdout)["problems"]
    assert (done.exit_code, problem["sample_id"]) == (1, "causal_reasoning_2")
    assert "causal_reasoning_images/2.png cannot be read: No such file" in problem["reason"]


def test_half_of_the_folders_of_kris_are_read_and_the_others_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = kris(tmp_path, {name: KRIS[name] for name in ("chemistry", "count_change")})
    kris(tmp_path, {"object_count": KRIS["count_change"], "biologie": KRIS["count_change"]})
    with caplog.at_level(logging.WARNING):
        assert {one.category for one in sound(folder, "kris")} == {"chemistry", "count_change"}
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "there is no annotation.json for color_change, size_adjustment" in said
    assert "count_change, chemistry can be run, and are all that is read" in said
    assert "the folder 'biologie' is none of KRIS-Bench and is not read. Did you mean 'biology'?" in said
    assert "the folder 'object_count'" in said


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"ori_img": "1.jpg", "instruction": "x", "explain": "y"}, "`instruction` and `explain` are the fields of"),
        ({"ori_img": [], "ins_en": "x"}, "field `ori_img` is [], neither the name of an image nor a list"),
        ({"ori_img": ["1.jpg", 2], "ins_en": "x"}, "field `ori_img` is ['1.jpg', 2]"),
        ({"ori_img": "1.jpg", "ins_en": "x", "gt_img": 3}, "field `gt_img` is int"),
        ({"ori_img": "1.jpg", "ins_en": ""}, "field `ins_en` is absent or blank"),
        ({"ori_img": "../../etc/passwd", "ins_en": "x"}, "leads out of the folder"),
        ("nothing", "the item is str, not a mapping of fields"),
    ],
)
def test_an_entry_of_kris_that_cannot_be_one_is_a_bad_sample_of_its_category(
    tmp_path: Path, row: Any, reason: str
) -> None:
    folder = kris(tmp_path, {"biology": KRIS["chemistry"]})
    write_json(tmp_path / "biology" / "annotation.json", {**KRIS["chemistry"], "9": row})
    *good, bad = read(folder, "kris")
    assert all(isinstance(one, EditSample) for one in good)
    assert isinstance(bad, BadSample)
    assert reason in bad.reason
    if isinstance(row, dict):
        assert (bad.sample_id, bad.category) == ("biology_9", "biology")


@pytest.mark.parametrize("layout", sorted(WRITERS))
@pytest.mark.parametrize("state", ["absent", "empty", "foreign"])
def test_what_is_not_of_the_layout_is_an_error_that_says_what_was_looked_for(
    tmp_path: Path, layout: BenchmarkLayout, state: str
) -> None:
    folder = tmp_path / "data"
    if state != "absent":
        folder.mkdir()
    if state == "foreign":
        picture(folder / "pictures" / "one.png")
    looked_for = {"imgedit": "basic_edit.json", "rise": "data_total.json", "kris": "annotation.json"}
    looked_for |= {"uniredit": "data.json", "gedit": ".parquet", "complex-edit": ".parquet"}
    looked_for |= {"imgedit-uge": "UGE_edit.json", "imgedit-multiturn": "annotation.json"}
    with pytest.raises(DataError) as raised:
        read(folder, layout)
    said = "does not exist|is no folder|or does not exist" if state == "absent" else looked_for[layout]
    assert any(part in str(raised.value) for part in said.split("|")), raised.value


def test_a_list_where_a_mapping_of_keys_is_expected_is_an_error(tmp_path: Path) -> None:
    write_json(tmp_path / "basic_edit.json", [IMGEDIT["673"]])
    with pytest.raises(DataError, match="holds a JSON list, and must hold a mapping of key to item"):
        read(tmp_path, "imgedit")


def test_a_file_that_breaks_off_gives_what_is_before_the_break(tmp_path: Path) -> None:
    path = imgedit(tmp_path) / "basic_edit.json"
    path.write_bytes(path.read_bytes()[:-30])
    items = load_samples(str(tmp_path), Selection(format="imgedit"))
    assert [next(items).sample_id, next(items).sample_id] == ["1082", "1068"]
    with pytest.raises(DataError, match="breaks off or is malformed"):
        next(items)


def test_an_item_of_several_images_is_said_to_be_of_another_benchmark(tmp_path: Path) -> None:
    [bad] = read(rise(tmp_path, [rise_item("causal_reasoning", 6, image=["6_1.png", "6_2.png"])]), "rise")
    assert isinstance(bad, BadSample)
    assert "RISEBench++" in bad.reason


# Whatever a row holds.


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
_ANYTHING = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
_NAMES = sorted(
    {
        name
        for row in (
            GEDIT_ROWS[0],
            IMGEDIT["673"],
            *RISE,
            *UNIREDIT,
            KRIS["chemistry"]["1"],
            MULTITURN["content_memory"]["1"],
        )
        for name in row
    }
    | {"image", "edit", "task_type", "ori_img", "subtask"}
)
_KNOWN = st.sampled_from(["ps_human", "en", "cn", "add", "causal_reasoning", "1.png", "../1.png", "two words"])


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(tmp_path_factory.mktemp(name)) for name, write in WRITERS.items()}


@pytest.mark.parametrize("layout", sorted(WRITERS))
@given(row=st.dictionaries(st.sampled_from(_NAMES), _ANYTHING | _KNOWN))
def test_any_row_becomes_a_sample_or_a_bad_sample_that_says_why(
    layouts: dict[str, Path], layout: BenchmarkLayout, row: dict[str, Any]
) -> None:
    from src.data.benchmarks.kris import Kris
    from src.data.items import ItemIds
    from src.data.loader import _sample
    from src.data.sources import RawItem

    benchmark = opened(str(layouts[layout]), Selection(format=layout))
    placed = {"folder": "biology"} if isinstance(benchmark, Kris) else {}
    placed |= {"folder": "content_memory"} if layout == "imgedit-multiturn" else {}
    placed |= {"row": 3, "level": 2} if layout == "complex-edit" else {}
    raw = benchmark._translated(RawItem(0, row | placed, key="k"))
    made = _sample(raw, benchmark.images, "en", ItemIds("item"))
    assert isinstance(made, EditSample) or made.reason
    if isinstance(made, EditSample):
        assert made.instruction
        assert all(isinstance(said, str | tuple) and said for said in made.attributes.values())
        assert content_hash(repr(made).encode())
