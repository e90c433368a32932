"""Samples: fields, languages, ids and what makes an item unusable."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.inspect import inspect_benchmark
from src.data.sample import BadSample, EditSample
from src.errors import DataError
from tests.conftest import item, png
from tests.test_data_files import good, load

Write = Callable[..., Path]


def test_fields_arrive_in_the_language_of_the_run(write_benchmark: Write) -> None:
    path = write_benchmark([item(0, rationale_short="因为", rationale_short_en="because")])
    (english,), (chinese,) = good(path), good(path, language="zh")
    assert (english.instruction, english.description, english.rationale) == ("change to 0", "picture 0", "because")
    assert (chinese.instruction, chinese.description, chinese.rationale) == ("改成 0", "图 0", "因为")
    assert english.sample_id == chinese.sample_id == "00000_物理_easy"
    assert english.tags == ("test", "easy")
    assert english.source.decode().size == (16, 16)
    assert english.reference is not None


def test_a_first_attempt_is_read_like_a_reference(write_benchmark: Write) -> None:
    picture = item(7)["src_img_b64"]
    with_one, without, broken = load(
        write_benchmark([item(0, preliminary_img_b64=picture), item(1), item(2, preliminary_img_b64=3)])
    )
    assert isinstance(with_one, EditSample)
    assert isinstance(without, EditSample)
    assert with_one.preliminary is not None
    assert with_one.preliminary.decode().getpixel((0, 0)) == (7, 40, 90)
    assert without.preliminary is None
    assert isinstance(broken, BadSample)
    assert broken.reason == "the image (field `preliminary_img_b64`) is int, not base64 text"


@given(picture=st.one_of(st.binary(max_size=40), st.text(max_size=40), st.integers(), st.lists(st.integers())))
def test_no_first_attempt_however_broken_stops_the_reading(
    picture: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("broken") / "broken.json"
    field = base64.b64encode(picture).decode() if isinstance(picture, bytes) else picture
    path.write_text(json.dumps([item(0, preliminary_img_b64=field), item(1)]), encoding="utf-8")
    found = inspect_benchmark(str(path))
    assert found.items == 2
    assert [problem.index for problem in found.problems] == [0]
    assert "preliminary" in found.problems[0].reason


def test_the_other_language_serves_where_the_wanted_one_is_absent(write_benchmark: Write) -> None:
    path = write_benchmark([item(0, edit_instruction_en=None)])
    assert good(path)[0].instruction == "改成 0"


def test_an_image_may_lie_beside_the_benchmark_file(tmp_path: Path, write_benchmark: Write) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png())
    (sample,) = good(write_benchmark([item(0, src_img_b64=None, src_img="pictures/a.png")]))
    assert sample.source.decode().size == (16, 16)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subset": None}, "category"),
        ({"subset": 3}, "subset"),
        ({"edit_instruction_en": "", "edit_instruction": "  "}, "instruction"),
        ({"src_img_b64": None}, "source image"),
        ({"src_img_b64": 5}, "base64 text"),
        ({"src_img_b64": None, "src_img": "../secret.png"}, "leads out of"),
        ({"src_img_b64": None, "src_img": "/etc/passwd"}, "leads out of"),
        ({"src_img_b64": None, "src_img": {"path": "a/../../b.png"}}, "leads out of"),
        ({"tags": 4}, "tags"),
        ({"id": "../x"}, "not safe"),
        ({"id": "a\x00b"}, "not safe"),
        ({"id": ".hidden"}, "not safe"),
        ({"id": "x" * 200}, "not safe"),
        ({"original_image_path": "a/../../b.png"}, "not safe"),
        ({"original_image_path": "a/...png"}, "not safe"),
    ],
)
def test_an_unusable_item_is_named_with_its_reason_and_the_others_are_read(
    write_benchmark: Write, changes: dict[str, Any], reason: str
) -> None:
    first, bad, last = load(write_benchmark([item(0), item(1, **changes), item(2)]))
    assert isinstance(bad, BadSample)
    assert re.search(reason, bad.reason), bad.reason
    assert bad.index == 1
    assert isinstance(first, EditSample)
    assert isinstance(last, EditSample)


@pytest.mark.parametrize("oddity", [None, 3, "text", [1], True])
def test_an_item_that_is_no_mapping_is_a_bad_sample(write_benchmark: Write, oddity: Any) -> None:
    _, bad = load(write_benchmark([item(0), oddity]))
    assert isinstance(bad, BadSample)


def test_half_a_surrogate_pair_is_replaced_so_that_every_text_can_be_stored(tmp_path: Path) -> None:
    line = json.dumps(item(0, edit_instruction_en="a\ud800", id="b\udfff", tags=["\ud800"]))
    (tmp_path / "s.jsonl").write_text(line)
    (sample,) = good(tmp_path / "s.jsonl")
    assert (sample.instruction, sample.sample_id, sample.tags) == ("a?", "b?", ("?",))


def test_the_same_path_twice_is_a_duplicate_but_the_same_stem_gets_a_suffix(write_benchmark: Write) -> None:
    paths = ["a/x.png", "b/x.png", "a/x.png", "c/x.png"]
    samples = load(write_benchmark([item(index, original_image_path=path) for index, path in enumerate(paths)]))
    assert [sample.sample_id for sample in samples] == ["x", "x-2", "item_00002", "x-3"]
    assert isinstance(samples[2], BadSample)
    assert "duplicate of item 0" in samples[2].reason


def test_ids_do_not_depend_on_the_selection(write_benchmark: Write) -> None:
    path = write_benchmark([item(index, original_image_path=f"{index}/x.png") for index in range(10)])
    everything = {sample.index: sample.sample_id for sample in load(path)}
    some = load(path, categories=("因果",), difficulties=("easy", "hard"), limit=2)
    assert {sample.index: sample.sample_id for sample in some}.items() <= everything.items()
    assert some


def test_nothing_selected_names_what_the_file_has_and_the_nearest_category(write_benchmark: Write) -> None:
    with pytest.raises(DataError, match=r"Did you mean '物理'\?.*物理 easy: 1"):
        load(write_benchmark(3), categories=("物里",))


@pytest.mark.parametrize("name", ["item_{:05d}", "item_{}"])
def test_an_explicit_id_is_kept_as_it_is(write_benchmark: Write, name: str) -> None:
    items = [item(index, id=name.format(index)) for index in range(3)]
    assert [sample.sample_id for sample in good(write_benchmark(items))] == [entry["id"] for entry in items]


def test_an_id_that_equals_the_path_of_another_item_is_no_duplicate(write_benchmark: Write) -> None:
    samples = good(write_benchmark([item(0, id="a.png"), item(1, original_image_path="a.png")]))
    assert [sample.sample_id for sample in samples] == ["a.png", "a"]


@pytest.mark.parametrize("name", ["a\x85b", "a\u2028b", "  ", ""])
def test_an_id_that_no_file_should_bear_is_refused(write_benchmark: Write, name: str) -> None:
    (bad,) = load(write_benchmark([item(0, id=name)]))
    assert isinstance(bad, BadSample)


def test_a_blank_instruction_is_not_replaced_by_the_one_in_the_other_language(write_benchmark: Write) -> None:
    (bad,) = load(write_benchmark([item(0, edit_instruction_en="  ")]))
    assert isinstance(bad, BadSample)
    assert "absent or blank" in bad.reason


def test_a_broken_line_is_shown_whatever_is_selected(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(f"{{broken\n{json.dumps(item(1))}\n{json.dumps(item(2))}")
    bad, hard = load(tmp_path / "b.jsonl", categories=("社会",), difficulties=("hard",))
    assert isinstance(bad, BadSample)
    assert hard.index == 2


def test_a_category_of_several_words_is_suggested_whole(write_benchmark: Write) -> None:
    with pytest.raises(DataError, match="Did you mean 'Social norms'"):
        load(write_benchmark([item(0, subset="Social norms")]), categories=("Social norm",))


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("subset", "id", "edit_instruction", "edit_instruction_en", "src_img_b64", "src_img", "tags", "difficulty")
WILD_ITEM = st.dictionaries(st.sampled_from((*FIELDS, "original_image_path", "original_description")), WILD) | WILD


@settings(max_examples=150, deadline=None)
@given(items=st.lists(st.builds(lambda base, wild: {**item(0), **wild} if base and isinstance(wild, dict) else wild,
                                st.booleans(), WILD_ITEM), min_size=1, max_size=6))  # fmt: skip
def test_any_json_list_gives_one_sample_per_item_with_unique_safe_ids(
    items: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("wild") / "wild.json"
    path.write_text(json.dumps(items), encoding="utf-8")
    samples = load(path)
    ids = [sample.sample_id for sample in samples]
    assert [sample.index for sample in samples] == list(range(len(items)))
    assert len(set(ids)) == len(ids)
    assert not [name for name in ids if not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f]|\.\.", name)]


def test_inspect_counts_and_names_every_problem(write_benchmark: Write) -> None:
    items = [item(0), item(1, src_img_b64="AAAA"), item(2, subset=None), item(3, reference_img_b64="AAAA")]
    items += [item(4, preliminary_img_b64=item(0)["src_img_b64"]), item(5, preliminary_img_b64="AAAA")]
    found = inspect_benchmark(str(write_benchmark(items)))
    assert found.items == 6
    assert found.categories == {"物理": 2, "环境": 1, "(none)": 1, "因果": 1, "指代": 1}
    assert found.image_sizes == {"16×16": 4}
    assert (found.with_reference, found.with_preliminary) == (5, 2)
    assert [(problem.index, problem.reason.split(":")[0]) for problem in found.problems] == [
        (1, "not a readable image"),
        (2, "the category (field `subset`) is absent"),
        (3, "reference image"),
        (5, "preliminary image"),
    ]
    assert json.loads(found.to_json())["problems"][0]["index"] == 1
