from __future__ import annotations

import base64
import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data.inspect import inspect_benchmark
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.data.sources import ByteProgress
from src.errors import DataError
from tests.conftest import item, png

Write = Callable[..., Path]


def load(path: Path, **selection: Any) -> list[EditSample | BadSample]:
    return list(load_samples(str(path), Selection(**selection)))


def good(path: Path, **selection: Any) -> list[EditSample]:
    samples = load(path, **selection)
    assert all(isinstance(sample, EditSample) for sample in samples), samples
    return samples  # type: ignore[return-value]


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


def as_jsonl(path: Path, items: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(entry, ensure_ascii=False) for entry in items), encoding="utf-8")
    return path


def as_parquet(path: Path, items: list[Any]) -> Path:
    pq.write_table(pa.Table.from_pylist(items), path)
    return path


def as_mapping(path: Path, items: list[Any]) -> Path:
    groups: dict[str, list[Any]] = {}
    for entry in items:
        groups.setdefault(entry["subset"], []).append({key: entry[key] for key in entry if key != "subset"})
    path.write_text(json.dumps(groups, ensure_ascii=False), encoding="utf-8")
    return path


def as_saved_dataset(path: Path, items: list[Any]) -> Path:
    import datasets

    datasets.Dataset.from_list(items).save_to_disk(str(path))
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [("b.jsonl", as_jsonl), ("b.parquet", as_parquet), ("b.json", as_mapping), ("folder", as_saved_dataset)],
)
def test_every_format_gives_the_samples_of_the_json_list(
    tmp_path: Path, write_benchmark: Write, name: str, write: Callable[[Path, list[Any]], Path]
) -> None:
    items = sorted((item(index) for index in range(12)), key=lambda entry: entry["subset"])
    expected = good(write_benchmark(items, "list.json"))
    assert good(write(tmp_path / name, items)) == expected


def test_a_folder_of_parquet_files_is_read_in_name_order_with_images_as_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        entry = item(part, src_img_b64=None, src_img={"bytes": png((part, 0, 0)), "path": None})
        as_parquet(folder / f"{part}.parquet", [entry])
    assert [sample.source.decode().getpixel((0, 0))[0] for sample in good(folder)] == [0, 1, 2]


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


def test_a_broken_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(f"{json.dumps(item(0))}\n\n{{broken\n{json.dumps(item(2))}\n", encoding="utf-8")
    first, bad, last = load(path)
    assert isinstance(bad, BadSample)
    assert "line 3: not valid JSON" in bad.reason
    assert first.sample_id != last.sample_id


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


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "", "is empty"),
        ("a.json", "[]", "holds no items"),
        ("a.json", "{}", "holds no items"),
        ("a.json", "42", "must hold a JSON list"),
        ("a.json", "   ", "must hold a JSON list"),
        ("a.csv", "x", "unknown format"),
        ("a.parquet", "no parquet", "cannot be read as parquet"),
        ("a.json", '[{"subset": "物理"', "breaks off"),
        ("a.json", "[]]", "malformed at byte 2 of 3"),
        ("a.json", '{"物理": [}', "malformed at byte 12 of 13"),
        ("a.json", "{3: []}", "malformed at byte 1 of 7.*no text"),
        ("a.json", "[" * 5000, "breaks off|malformed"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_whole_says_why(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_a_malformed_item_of_a_list_is_located_to_the_byte_and_costs_only_itself(tmp_path: Path) -> None:
    text = json.dumps([item(index, note="x" * 20_000) for index in range(20)]).encode()
    place = text.index(b'"change to 9"')
    (tmp_path / "b.json").write_bytes(text[:place] + b"@" + text[place:])
    samples = load(tmp_path / "b.json")
    bad = samples.pop(9)
    assert isinstance(bad, BadSample)
    assert f"not valid JSON at byte {place}:" in bad.reason
    assert [sample.index for sample in samples if isinstance(sample, EditSample)] == [*range(9), *range(10, 20)]


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


def test_a_line_nested_too_deeply_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text("[" * 200_000 + "\n" + json.dumps(item(1)))
    bad, last = load(tmp_path / "b.jsonl")
    assert isinstance(bad, BadSample)
    assert isinstance(last, EditSample)


def test_a_broken_line_is_shown_whatever_is_selected(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(f"{{broken\n{json.dumps(item(1))}\n{json.dumps(item(2))}")
    bad, hard = load(tmp_path / "b.jsonl", categories=("社会",), difficulties=("hard",))
    assert isinstance(bad, BadSample)
    assert hard.index == 2


def test_a_category_of_several_words_is_suggested_whole(write_benchmark: Write) -> None:
    with pytest.raises(DataError, match="Did you mean 'Social norms'"):
        load(write_benchmark([item(0, subset="Social norms")]), categories=("Social norm",))


def test_a_mapping_gives_its_key_to_items_without_a_subset_and_leaves_metadata_alone(tmp_path: Path) -> None:
    groups = {"version": {"a": [1]}, "x.item": [item(0, subset=None), {**item(1), "subset": None}, 5], "y": [item(2)]}
    (tmp_path / "b.json").write_text(json.dumps(groups), encoding="utf-8")
    first, second, bad, own = load(tmp_path / "b.json")
    assert [first.category, second.category, own.category] == ["x.item", "x.item", "社会"]
    assert isinstance(bad, BadSample)


def test_a_picture_may_lie_in_the_folder_of_parquet_files_and_files_may_be_named_by_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.png").write_bytes(png())
    as_parquet(tmp_path / "parts" / "0.parquet", [item(0, src_img_b64=None, src_img="a.png")])
    for data_path in (tmp_path / "parts", tmp_path / "parts" / "*.parquet"):
        assert good(data_path)[0].source.decode().size == (16, 16)


def test_the_hub_is_read_through_datasets_and_a_break_of_the_network_keeps_what_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    as_parquet(tmp_path / "test.parquet", [item(0), item(1)])
    assert [sample.index for sample in load_samples(f"hf://{tmp_path}@test", Selection())] == [0, 1]

    class Broken:
        features = None

        def __iter__(self) -> Any:
            yield item(0)
            raise ConnectionError("gone")

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: Broken())
    samples = load_samples("hf://org/name", Selection())
    assert isinstance(next(samples), EditSample)
    with pytest.raises(DataError, match="breaks off after 1 items: gone"):
        next(samples)


def test_progress_foretells_the_number_of_samples_of_a_small_file(write_benchmark: Write) -> None:
    progress = ByteProgress()
    samples = load_samples(str(write_benchmark(100)), Selection(), progress)
    for count in range(1, 101):
        next(samples)
        if count in (10, 50, 90):
            assert count / progress.fraction == pytest.approx(100, rel=0.15)


def test_a_missing_file_suggests_its_neighbour(write_benchmark: Write, tmp_path: Path) -> None:
    write_benchmark(1)
    with pytest.raises(DataError, match=r"Did you mean 'benchmark\.json'"):
        load(tmp_path / "benchmrk.json")


def test_a_truncated_file_yields_what_came_before_and_names_the_byte(write_benchmark: Write) -> None:
    path = write_benchmark(5)
    text = path.read_bytes()
    path.write_bytes(text[: int(len(text) * 0.7)])
    samples = load_samples(str(path), Selection())
    assert [next(samples).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match=f"at byte {int(len(text) * 0.7)} of {int(len(text) * 0.7)}, after 3 items"):
        next(samples)


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


def test_progress_runs_from_nothing_to_one(write_benchmark: Write) -> None:
    progress = ByteProgress()
    seen = [progress.fraction for _ in load_samples(str(write_benchmark(300)), Selection(), progress)]
    assert seen == sorted(seen)
    assert seen[-1] < 1
    assert progress.fraction == 1.0


def test_memory_does_not_grow_with_the_number_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    picture = base64.b64encode(bytes(750_000)).decode()
    with path.open("w", encoding="utf-8") as file:
        for index in range(60):
            file.write(("[" if index == 0 else ",") + json.dumps(item(index, src_img_b64=picture)))
        file.write("]")
    tracemalloc.start()
    count = sum(1 for _ in load_samples(str(path), Selection()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60
    assert peak < 15_000_000, "60 MB of base64 were held in memory"


def test_parquet_holds_no_more_than_a_row_group_in_memory(tmp_path: Path) -> None:
    pictures = [base64.b64encode(index.to_bytes(2, "big") * 375_000).decode() for index in range(60)]
    table = pa.Table.from_pylist([item(index, src_img_b64=picture) for index, picture in enumerate(pictures)])
    pq.write_table(table, tmp_path / "b.parquet", row_group_size=4)
    del table, pictures
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in load_samples(str(tmp_path / "b.parquet"), Selection())]
    assert len(held) == 60
    assert max(held) < 20_000_000, "60 MB of base64 were held in memory"


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


def test_a_parquet_text_that_is_not_utf8_costs_only_its_row(tmp_path: Path) -> None:
    texts = pa.array([b"change to 0", b"broken \xff", b"change to 2"]).cast(pa.binary())
    table = pa.Table.from_pylist([item(index) for index in range(3)]).drop(["edit_instruction_en", "edit_instruction"])
    strings = pa.StringArray.from_buffers(3, texts.buffers()[1], texts.buffers()[2])
    pq.write_table(table.append_column("edit_instruction_en", strings), tmp_path / "b.parquet")
    first, bad, last = load(tmp_path / "b.parquet")
    assert isinstance(first, EditSample)
    assert isinstance(last, EditSample)
    assert last.sample_id.startswith("00002")
    assert isinstance(bad, BadSample)
    assert "not UTF-8" in bad.reason


def test_a_row_group_that_unpacks_to_hundreds_of_times_its_size_is_not_read(tmp_path: Path) -> None:
    bomb = [item(1, note="A" * 80_000_000)]
    parts = [[item(0)], bomb, [item(2)]]
    schema = pa.Table.from_pylist(bomb).schema
    with pq.ParquetWriter(tmp_path / "b.parquet", schema, compression="zstd") as writer:
        for part in parts:
            writer.write_table(pa.Table.from_pylist(part, schema))
    before = pa.total_allocated_bytes()
    first, bad, last = load(tmp_path / "b.parquet")
    assert isinstance(first, EditSample)
    assert isinstance(last, EditSample)
    assert isinstance(bad, BadSample)
    assert "row group 1 of b.parquet (1 rows) would unpack" in bad.reason
    assert pa.total_allocated_bytes() - before < 10_000_000
