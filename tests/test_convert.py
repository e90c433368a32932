"""Converting data files of other projects."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from main import app
from src.data.convert.base import BadRow
from src.data.convert.edit_parquet import EditParquet
from src.data.convert.run import CONVERTERS, Conversion, build_converter, convert
from src.data.loader import load_samples
from src.data.preferences import PreferencePair, load_preferences
from src.data.questions import VQAQuestion, load_questions
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import ConfigError, DataError
from tests.conftest import png

RED, BLUE = png((200, 0, 0)), png((0, 0, 200))
Write = Callable[[list[dict[str, Any]]], str]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def jsonl(tmp_path: Path) -> Write:
    def write(rows: list[dict[str, Any]]) -> str:
        path = tmp_path / "in.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def parquet(tmp_path: Path) -> Write:
    def write(rows: list[dict[str, Any]]) -> str:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet", row_group_size=2)
        return str(tmp_path / "in.parquet")

    return write


def converted(source_format: str, source: str, output: Path, **params: Any) -> Conversion:
    return convert(build_converter(source_format, params), source, output)


def samples(path: Path) -> list[EditSample]:
    found = list(load_samples(str(path), Selection()))
    assert all(isinstance(sample, EditSample) for sample in found), found
    return found  # type: ignore[return-value]


def questions(path: Path) -> list[VQAQuestion]:
    found = list(load_questions(str(path), Selection()))
    assert all(isinstance(question, VQAQuestion) for question in found), found
    return found  # type: ignore[return-value]


def edit_row(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "omni_edit_id": "task_obj_swap_7",
        "task": "swap",
        "src_img_b64": b64(RED),
        "edit_prompt": ["make it blue", "turn the red square into a blue one"],
        "qwen_edited_img_b64": b64(BLUE),
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def test_a_row_of_edit_parquet_becomes_a_benchmark_item(parquet: Write, tmp_path: Path) -> None:
    output = tmp_path / "out" / "edits.jsonl"
    result = converted("edit-parquet", parquet([edit_row()]), output)
    (sample,) = samples(output)
    assert (sample.sample_id, sample.category) == ("task_obj_swap_7", "swap")
    assert sample.instruction == "turn the red square into a blue one"
    assert sample.source.read_bytes() == RED
    assert (result.rows, result.items, result.images, result.bad) == (1, 1, 2, [])
    first_edit = json.loads(output.read_text(encoding="utf-8"))["preliminary_img"]
    assert (output.parent / first_edit).read_bytes() == BLUE


@pytest.mark.parametrize(
    ("prompt", "short", "detailed"),
    [
        (["a", "b"], "a", "b"),
        ("['a', 'b']", "a", "b"),
        ('["a", "b"]', "a", "b"),
        ("just one", "just one", "just one"),
        (["one"], "one", "one"),
        ("[left] arrow", "[left] arrow", "[left] arrow"),
    ],
)
def test_both_wordings_are_found_in_every_form_of_edit_prompt(prompt: Any, short: str, detailed: str) -> None:
    for wording, expected in (("short", short), ("detailed", detailed)):
        (item,) = EditParquet({"wording": wording}).items(edit_row(edit_prompt=prompt), 0, lambda image: "x.png")
        assert item["edit_instruction_en"] == expected


@given(st.one_of(st.text(), st.lists(st.text()), st.lists(st.integers()), st.none(), st.integers()))
def test_any_edit_prompt_is_an_instruction_or_a_bad_row(prompt: Any) -> None:
    try:
        (item,) = EditParquet().items(edit_row() | {"edit_prompt": prompt}, 0, lambda image: "x.png")
    except BadRow:
        return
    assert item["edit_instruction_en"].strip() == item["edit_instruction_en"] != ""


def complex_row(levels: int = 8, image: bytes = RED) -> dict[str, Any]:
    steps = [{"compound_instruction": f"do {level} things"} for level in range(1, levels + 1)]
    return {"image": {"bytes": image, "path": None}, "edit": {"compound": steps}}


def test_complex_edit_gives_one_item_an_image_and_level_and_stores_the_image_once(
    parquet: Write, tmp_path: Path
) -> None:
    source = parquet([complex_row(), complex_row(image=BLUE)])
    result = converted("complex-edit", source, tmp_path / "edits.jsonl", levels=[8, 1, 3])
    found = samples(tmp_path / "edits.jsonl")
    assert [sample.instruction for sample in found] == ["do 1 things", "do 3 things", "do 8 things"] * 2
    assert [sample.difficulty for sample in found[:3]] == ["1", "3", "8"]
    assert found[0].sample_id == "00000_level_1"
    assert (result.items, result.images) == (6, 2)
    assert len(list((tmp_path / "edits_images").iterdir())) == 2


def test_a_row_with_too_few_levels_gives_those_it_has(parquet: Write, tmp_path: Path) -> None:
    result = converted("complex-edit", parquet([complex_row(2)]), tmp_path / "edits.jsonl", levels=[1, 2, 3])
    assert result.items == 2
    assert result.bad == ["row 0: field `edit.compound` has no instruction of level 3"]


def test_vqa_rad_becomes_questions_that_the_loader_reads(parquet: Write, tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": RED, "path": None}, "question": "is it red?", "answer": "yes"},
        {"image": {"bytes": RED, "path": None}, "question": "which colour?", "answer": "red"},
    ]
    result = converted("vqa-rad", parquet(rows), tmp_path / "questions.jsonl")
    found = questions(tmp_path / "questions.jsonl")
    assert [(one.text, one.answer) for one in found] == [("is it red?", "yes"), ("which colour?", "red")]
    assert found[0].images[0].read_bytes() == RED
    assert (result.items, result.images) == (2, 1)


def conversation(question: str, answer: str, *images: str) -> dict[str, Any]:
    asked = [{"type": "image", "image": image} for image in images] + [{"type": "text", "text": question}]
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    return {"conversations": turns}


def test_conversations_lose_their_labels_and_keep_all_their_images(jsonl: Write, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(RED)
    (pictures / "b.png").write_bytes(BLUE)
    source = jsonl([conversation("Question: which is red?", "Answer: the first", "a.png", "b.png")])
    converted("conversations", source, tmp_path / "questions.jsonl", image_dir=pictures)
    (found,) = questions(tmp_path / "questions.jsonl")
    assert (found.text, found.answer) == ("which is red?", "the first")
    assert [image.read_bytes() for image in found.images] == [RED, BLUE]


def preference_row(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": "7",
        "instruction": "make it blue",
        "input_image": b64(RED),
        "output_images": [b64(BLUE), b64(RED)],
        "task_type": "color",
        "dimension": "overall",
    }
    return fields | changes


def test_rows_of_two_outputs_become_pairs_in_which_a_is_not_always_the_better_one(jsonl: Write, tmp_path: Path) -> None:
    converted("edit-preferences", jsonl([preference_row(), preference_row()]), tmp_path / "pairs.jsonl")
    pairs = list(load_preferences(str(tmp_path / "pairs.jsonl")))
    assert all(isinstance(pair, PreferencePair) for pair in pairs)
    assert [pair.winner for pair in pairs] == ["a", "b"]  # type: ignore[union-attr]
    for pair in pairs:
        assert pair.edits["ab".index(pair.winner)].read_bytes() == BLUE  # type: ignore[union-attr]


PLAIN = {"image": "fine.png", "instruction": "go", "category": "c"}
BAD_ROWS = {
    "plain": [
        ({**PLAIN, "image": "../secret.png"}, "leads out"),
        ({**PLAIN, "instruction": " "}, "`instruction`"),
        ({**PLAIN, "category": None}, "--set category=NAME"),
    ],
    "edit-parquet": [
        (edit_row(task=None), "`task` is absent"),
        (edit_row(edit_prompt=None), "`edit_prompt` holds no detailed instruction"),
        (edit_row(src_img_b64=None), "`src_img_b64` holds no image"),
        (edit_row(src_img_b64="%%%"), "`src_img_b64`: not valid base64"),
        (edit_row(qwen_edited_img_b64=b64(b"no picture")), "`qwen_edited_img_b64`: not a readable image"),
    ],
    "edit-preferences": [
        (preference_row(dimension="consistency"), "--set dimension=consistency"),
        (preference_row(output_images=[b64(RED)]), "`output_images` is no list of two pictures"),
        (preference_row(output_images=[b64(RED), "%%%"]), "`output_images[1]`: not valid base64"),
        (preference_row(input_image=None), "`input_image` holds no image"),
        (preference_row(instruction=" "), "`instruction`"),
    ],
    "complex-edit": [
        ({"image": b64(RED)}, "`edit.compound` is no list"),
        ({"image": None, "edit": {"compound": []}}, "`image` holds no image"),
        ({"image": b64(RED), "edit": {"compound": ["x"]}}, "no instruction of level 1"),
    ],
    "vqa-rad": [
        ({"image": b64(RED), "question": " ", "answer": "yes"}, "`question`"),
        ({"image": b64(RED), "question": "x", "answer": 3}, "`answer` is 3"),
        ({"image": "", "question": "x", "answer": "y"}, "`image` holds no image"),
    ],
    "conversations": [
        ({"conversations": []}, "does not hold a question and an answer"),
        ({"conversations": ["a", "b"]}, "has no content"),
        (conversation("q", "a"), "the question has no image"),
        (conversation("q", "a", "../secret.png"), "leads out of"),
        (conversation("q", "a", "/etc/passwd"), "leads out of"),
        (conversation("q", "a", "absent.png"), "cannot be read"),
        (conversation("Question: ", "a", "fine.png"), "no text of the question"),
    ],
}
GOOD = {
    "edit-parquet": edit_row(),
    "edit-preferences": preference_row(),
    "complex-edit": {"image": b64(RED), "edit": {"compound": [{"compound_instruction": "x"}]}},
    "vqa-rad": {"image": b64(RED), "question": "q", "answer": "a"},
    "conversations": conversation("q", "a", "fine.png"),
    "plain": PLAIN,
}


@pytest.mark.parametrize("source_format", list(CONVERTERS))
def test_bad_rows_are_named_and_the_rest_is_converted(source_format: str, jsonl: Write, tmp_path: Path) -> None:
    (tmp_path / "fine.png").write_bytes(RED)
    params = {"conversations": {"image_dir": tmp_path}, "complex-edit": {"levels": [1]}}.get(source_format, {})
    bad = BAD_ROWS[source_format]
    rows = [GOOD[source_format], *(row for row, _ in bad), {**GOOD[source_format], "omni_edit_id": "last"}]
    result = converted(source_format, jsonl(rows), tmp_path / "out.jsonl", **params)
    assert (result.rows, result.items) == (len(rows), 2)
    for number, (problem, (_, reason)) in enumerate(zip(result.bad, bad, strict=True), start=1):
        assert problem.startswith(f"row {number}: ")
        assert reason in problem


def test_a_line_that_is_no_json_is_a_bad_row(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("{\n" + json.dumps(GOOD["vqa-rad"]) + "\n[1]\n", encoding="utf-8")
    result = converted("vqa-rad", str(source), tmp_path / "out.jsonl")
    assert result.items == 1
    assert [problem.split(":")[0] for problem in result.bad] == ["row 0", "row 2"]


def test_a_file_that_breaks_off_is_converted_up_to_the_break(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    source.write_text("[" + json.dumps(GOOD["vqa-rad"]) + ', {"image":', encoding="utf-8")
    result = converted("vqa-rad", str(source), tmp_path / "out.jsonl")
    assert result.items == 1
    assert "breaks off" in str(result.broken_off)


def test_without_a_single_good_row_nothing_is_written(jsonl: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 1 rows can be converted: row 0: field `question`"):
        converted("vqa-rad", jsonl([{"image": b64(RED)}]), tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("source_format", "params", "message"),
    [
        ("vqa_rad", {}, "Did you mean 'vqa-rad'"),
        ("complex-edit", {"level": [1]}, "Did you mean 'levels'"),
        ("complex-edit", {"levels": [9]}, "9 is not one of 1 to 8"),
        ("edit-parquet", {"wording": "long"}, "wording"),
        ("conversations", {}, "image_dir: required"),
    ],
)
def test_a_wrong_format_or_setting_is_refused(source_format: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_converter(source_format, params)


def test_the_output_is_json_lines(jsonl: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.jsonl"):
        converted("vqa-rad", jsonl([GOOD["vqa-rad"]]), tmp_path / "out.json")


def test_the_command_names_bad_rows_and_counts_the_rest(jsonl: Write, tmp_path: Path) -> None:
    source = jsonl([GOOD["complex-edit"], {}])
    arguments = ["data", "convert", "--from", "complex-edit", "--set", "levels=[1]", source]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "out.jsonl")])
    assert result.exit_code == 0, result.output
    assert "row 1: field `edit.compound` is no list" in result.output
    assert "1 items and 1 images from 2 rows, 1 bad" in result.output


def test_half_a_surrogate_pair_costs_a_character_and_not_the_conversion(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in (edit_row() | {"task": "a\ud800b"}, edit_row())))
    result = convert(build_converter("edit-parquet", {}), str(source), tmp_path / "out.jsonl")
    assert (result.items, result.bad) == (2, [])
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()[0])["subset"] == "a?b"
