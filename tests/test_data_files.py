"""Files of samples as wholes: formats, breaks, progress and memory."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


def as_saved_split(path: Path, items: list[Any]) -> Path:
    import datasets

    datasets.DatasetDict(train=datasets.Dataset.from_list(items)).save_to_disk(str(path))
    return path


def test_a_saved_dataset_of_several_splits_is_refused_with_their_names(tmp_path: Path) -> None:
    import datasets

    rows = datasets.Dataset.from_list([item(0)])
    datasets.DatasetDict(train=rows, test=rows).save_to_disk(str(tmp_path / "saved"))
    with pytest.raises(DataError, match=r"holds several splits \(train, test\)"):
        load(tmp_path / "saved")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        *(("b.jsonl", as_jsonl), ("b.parquet", as_parquet), ("b.json", as_mapping)),
        *(("folder", as_saved_dataset), ("splits", as_saved_split)),
    ],
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


def test_a_broken_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text(f"{json.dumps(item(0))}\n\n{{broken\n{json.dumps(item(2))}\n", encoding="utf-8")
    first, bad, last = load(path)
    assert isinstance(bad, BadSample)
    assert "line 3: not valid JSON" in bad.reason
    assert first.sample_id != last.sample_id


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


def test_a_line_nested_too_deeply_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text("[" * 200_000 + "\n" + json.dumps(item(1)))
    bad, last = load(tmp_path / "b.jsonl")
    assert isinstance(bad, BadSample)
    assert isinstance(last, EditSample)


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
