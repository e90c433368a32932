"""Hostile benchmark items and damaged files, made from sound ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from tests.conftest import item

ODD: tuple[Any, ...] = (
    None, "", " ", 0, -1, 3.5, True, [], {}, [1], [[[]]], {"a": None}, {"bytes": None}, {"path": "../x.png"},
    {"bytes": "x"}, "x" * 2000, "物" * 400, "a\0b", "a\x1b[2Jb", "a\nb", "\u202ea", "\ud800", "..", "/etc/passwd",
    "~/x", "a/../../b", 10**18,
    -(2**63), "<|image_pad|>", "{edit_instruction}", "{{ x }}", "[red]x[/red]", "`|<script>",
    "data:image/png;base64,", "data:,", "QUJD", "====", "iVBORw0KGgo=", "R0lGODlhAQABAAAAACw=",
)  # fmt: skip
FIELDS = (
    *item(0),
    "id",
    "category",
    "src_img",
    "reference_img",
    "preliminary_img",
    "knowledge_graph",
    "family",
    "seed",
)
DIRT = (b"", b"\0", b"\xff", b"[", b"]", b"{", b'"', b",", b"\\", b"\n", b"9" * 5000, b"[" * 3000, b"\xed\xa0\x80")


def hostile_items(dice: random.Random, count: int) -> list[Any]:
    """Items of which about half have an odd value in one to three fields, or are odd themselves."""
    return [_hostile(dice, item(index)) if dice.random() < 0.6 else item(index) for index in range(count)]


def _hostile(dice: random.Random, fields: dict[str, Any]) -> Any:
    if dice.random() < 0.05:
        return dice.choice(ODD)
    for _ in range(dice.choice((1, 1, 2, 3))):
        fields[dice.choice(FIELDS)] = dice.choice(ODD)
    return fields


def write(items: list[Any], path: Path) -> None:
    """A file of the format that its name says; what parquet cannot hold is written as text there."""
    if path.suffix == ".parquet":
        _write_parquet(items, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(one) + "\n" for one in items), encoding="utf-8")
    else:
        path.write_text(json.dumps(items), encoding="utf-8")


def _write_parquet(items: list[Any], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [one if isinstance(one, dict) else {"subset": repr(one)} for one in items]
    names = sorted({name for row in rows for name in row})
    columns = {name: pa.array([_cell(row.get(name)) for row in rows], pa.binary()) for name in names}
    # Seen as texts without being looked at: foreign writers store what is no UTF-8.
    columns = {name: array if name == "src_img" else array.view(pa.string()) for name, array in columns.items()}
    pq.write_table(pa.table(columns), path, row_group_size=3)


def _cell(value: Any) -> bytes | None:
    """As it is where it is a text, also one that is no UTF-8."""
    if value is None:
        return None
    return value.encode(errors="surrogatepass") if isinstance(value, str) else repr(value).encode()


def damaged(dice: random.Random, data: bytes) -> bytes:
    """The bytes with up to four pieces cut out, replaced or inserted, or cut short."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((0, 0, 1, 3, 40)))
        data = data[:start] + dice.choice(DIRT) + data[end:]
    return data[: dice.randrange(len(data) + 1)] if dice.random() < 0.15 else data
