from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data import json_stream
from src.data.json_stream import BrokenOff, JsonValueError, RawValue, iter_values, single_value
from src.data.sources import read_items
from tests.conftest import item

TEXT = st.text(alphabet=st.one_of(st.sampled_from('"\\[]{},: \n中😀'), st.characters(codec="utf-8")), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
FORMATS = st.sampled_from([{}, {"indent": 2}, {"ensure_ascii": False}, {"separators": (",", ":")}])


def pieces(text: bytes, step: int = 7) -> Iterator[tuple[str | None, RawValue]]:
    chunks = iter([text[start : start + step] for start in range(0, len(text), step)])
    return iter_values(lambda: next(chunks, b""))


@given(st.lists(VALUES, max_size=6), FORMATS, st.integers(1, 40))
def test_the_pieces_of_a_list_are_its_elements_however_it_is_read_and_written(
    values: list[Any], style: dict[str, Any], step: int
) -> None:
    text = json.dumps(values, **style).encode()
    found = list(pieces(text, step))
    assert [piece.value() for _, piece in found] == values
    assert all(text[piece.offset :].startswith(piece.text) for _, piece in found)


@given(st.dictionaries(TEXT, st.lists(VALUES, max_size=3) | st.integers() | TEXT, max_size=5), st.integers(1, 40))
def test_the_pieces_of_a_mapping_are_the_elements_of_its_lists(values: dict[str, Any], step: int) -> None:
    expected = [(key, one) for key, value in values.items() if isinstance(value, list) for one in value]
    assert [(key, piece.value()) for key, piece in pieces(json.dumps(values).encode(), step)] == expected


@given(VALUES, FORMATS)
def test_a_line_is_one_value(value: Any, style: dict[str, Any]) -> None:
    assert single_value(json.dumps(value, **style).encode()).value() == value


@given(st.lists(VALUES, min_size=1, max_size=4), st.binary(max_size=3), st.data())
def test_a_damaged_document_gives_values_and_reasons_and_nothing_else(
    values: list[Any], dirt: bytes, data: st.DataObject
) -> None:
    text = json.dumps(values).encode()
    place = data.draw(st.integers(0, len(text)))
    damaged = text[:place] + dirt + text[data.draw(st.integers(place, len(text))) :]
    reasons: list[str] = []
    offsets: list[int] = []
    try:
        for _, piece in pieces(damaged):
            try:
                piece.value()
            except JsonValueError as error:
                reasons.append(str(error))
    except BrokenOff as error:
        offsets.append(error.offset)
    assert all(reasons)
    assert all(0 <= offset <= len(damaged) for offset in offsets)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "an integer has more than 4,300 digits": lambda: b'{"seed": ' + b"9" * 5000 + b"}",
    "nested deeper than 64 brackets": lambda: b'{"tags": ' + b"[" * 200_000 + b"]" * 200_000 + b', "x": "]"' + b"}",
    "more than 500,000 commas and brackets": lambda: b'{"tags": [' + b"[]," * 300_000 + b"1]}",
    "not UTF-8 at byte": lambda: b'{"subset": "\xff"}',
    "not valid JSON at byte": lambda: b'{"subset": nonsense}',
}


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize("reason", HOSTILE)
def test_a_hostile_item_is_refused_within_bounds_and_its_neighbours_are_read(
    tmp_path: Path, reason: str, suffix: str
) -> None:
    good = json.dumps(item(0)).encode()
    path = tmp_path / f"hostile.{suffix}"
    text = (b"\n" if suffix == "jsonl" else b",").join([good, HOSTILE[reason](), good])
    path.write_bytes(text if suffix == "jsonl" else b"[" + text + b"]")
    tracemalloc.start()
    first, bad, last = read_items(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert first.fields == last.fields == json.loads(good)
    assert bad.fields is None
    assert reason in str(bad.problem)
    assert ("line 2" if suffix == "jsonl" else f"byte {len(good) + 2}") in str(bad.problem)
    assert peak < 4 * path.stat().st_size + 2**24, "what other tests left running may allocate as well"


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_an_item_above_the_limit_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(json_stream, "MAX_ITEM_BYTES", 10_000)
    monkeypatch.setattr("src.data.sources.MAX_ITEM_BYTES", 10_000)
    path = tmp_path / f"large.{suffix}"
    text = (b"\n" if suffix == "jsonl" else b",").join([b"{}", b'{"note": "' + b"x" * 3_000_000 + b'"}', b"{}"])
    path.write_bytes(text if suffix == "jsonl" else b"[" + text + b"]")
    tracemalloc.start()
    found = list(read_items(str(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [raw.fields for raw in found] == [{}, None, {}]
    assert "larger than 10,000 bytes" in str(found[1].problem)
    assert peak < 1_000_000


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n{"a": 2}')
    assert [raw.fields for raw in read_items(str(path))] == [{"a": 1}, {"a": 2}]
