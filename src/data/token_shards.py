"""`TokenisedData`: pairs of pictures as codes, in shards that are mapped into memory and never read as a whole."""

from __future__ import annotations

import bisect
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from src.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

INDEX = "index.json"
SHARDS = "shards"
VERSION = 1
Codes = tuple[tuple[int, ...], ...]
_LEFT_OUT = b"left_out"
_PART = ".part"
"""How the name of a file ends that is not whole yet."""
_AGAIN = "make it again by data tokenize, which keeps all other shards"


@dataclass(frozen=True, slots=True)
class TokenisedEdit:
    """A source and the right edit of it as rows of codes, with what the benchmark says in words."""

    sample_id: str
    category: str
    instruction: str
    source: Codes
    target: Codes
    source_sha256: str
    """Of the encoded source picture, by which the original can be found again."""
    target_sha256: str
    difficulty: str | None = None
    rationale: str | None = None


@dataclass(frozen=True, slots=True)
class EditShape:
    """What is known of a tokenised edit without its codes."""

    sample_id: str
    instruction: str
    rationale: str | None
    source: tuple[int, int]
    """Rows and columns."""
    target: tuple[int, int]
    source_sha256: str


@dataclass(frozen=True)
class Shard:
    """An entry of the index."""

    name: str
    rows: int
    sha256: str


def write_shard(path: Path, edits: Iterable[TokenisedEdit], left_out: Mapping[str, str]) -> None:
    """Writes a shard so that it appears whole or not at all, whoever else writes the same one.

    Args:
        path: Ends in `.arrow`.
        edits: Its rows.
        left_out: Reasons by sample id, kept beside the rows.
    """
    import pyarrow as pa

    rows = [_row(edit) for edit in edits]
    noted = {_LEFT_OUT: json.dumps(dict(left_out)).encode()}
    table = pa.Table.from_pylist(rows, schema=_schema().with_metadata(noted))
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        _written_whole(path) as part,
        pa.OSFile(str(part), "wb") as stream,
        pa.ipc.new_file(stream, table.schema) as writer,
    ):
        writer.write_table(table)


def shard_table(path: Path) -> pa.Table:
    """The rows of a shard, mapped into memory.

    Raises:
        DataError: it is missing or damaged.
    """
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"shard {path} cannot be read ({error}); {_AGAIN}") from error
    if not table.schema.equals(_schema()):
        raise DataError(f"shard {path} is of another version; {_AGAIN}")
    return table


def left_out_of(table: pa.Table) -> dict[str, str]:
    """Why samples are left out of a shard, by their ids."""
    found: dict[str, str] = json.loads((table.schema.metadata or {}).get(_LEFT_OUT, b"{}"))
    return found


def write_index(folder: Path, encoder: Mapping[str, Any], names: Sequence[str]) -> list[Shard]:
    """Writes the index of a folder whose shards are all there, whole or not at all.

    Args:
        folder: Holds the shards in `shards/`.
        encoder: What made the codes.
        names: Of the shards, in order.
    """
    shards = []
    for name in names:
        path = folder / SHARDS / name
        shards.append(Shard(name, shard_table(path).num_rows, _sha256(path)))
    listed = [{"name": one.name, "rows": one.rows, "sha256": one.sha256} for one in shards]
    text = json.dumps({"version": VERSION, "encoder": dict(encoder), "shards": listed}, indent=1)
    with _written_whole(folder / INDEX) as part:
        part.write_text(text, encoding="utf-8")
    return shards


@contextmanager
def _written_whole(path: Path) -> Iterator[Path]:
    """Yields a place of this process's own, beside `path`, whose file takes the name `path` once it is whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
    yield part
    os.replace(part, path)


@contextmanager
def at_work_in(folder: Path) -> Iterator[None]:
    """Holds a folder in common with whoever else writes to it; the first one removes what killed processes have begun.

    Where the file system keeps no locks, nobody knows who else is at work, and nothing is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for part in [*folder.glob(f"*{_PART}"), *(folder / SHARDS).glob(f"*{_PART}")]:
                part.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_SH)
        yield
    finally:
        os.close(held)


def begin_folder(folder: Path, encoder: Mapping[str, Any]) -> dict[str, str]:
    """Removes the index that another encoder left, and returns the digests of the shards that one of this lists.

    Args:
        folder: Of tokenised data, finished or not.
        encoder: What will make the codes.

    Returns:
        SHA-256 by the names of shards; empty for a folder without a readable index.
    """
    try:
        index = _read_index(folder)
    except DataError:
        return {}
    if index["encoder"] != dict(encoder):
        (folder / INDEX).unlink(missing_ok=True)  # its data are not those that are being made
        return {}
    return {entry["name"]: entry["sha256"] for entry in index["shards"]}


def require_content(path: Path, sha256: str) -> None:
    """Compares a shard with what the index says.

    Raises:
        DataError: it cannot be read or is another.
    """
    try:
        found = _sha256(path)
    except OSError as error:
        raise DataError(f"shard {path} cannot be read ({error}); {_AGAIN}") from error
    if found != sha256:
        raise DataError(f"shard {path} is not what the index says; {_AGAIN}")


class TokenisedData(Sequence[TokenisedEdit]):
    """The tokenised edits of a folder, in the order of the benchmark; a row is read when it is asked for.

    Args:
        folder: Made by `data tokenize`.
        verify: Whether the shards' content is compared with the index, which reads all of it.

    Raises:
        DataError: the folder has no index, so that it is unfinished, or a shard is missing, damaged or another's.
    """

    def __init__(self, folder: Path, verify: bool = False) -> None:
        index = _read_index(folder)
        self.encoder: dict[str, Any] = index["encoder"]
        self._tables = []
        for entry in index["shards"]:
            path = folder / SHARDS / entry["name"]
            if verify:
                require_content(path, entry["sha256"])
            table = shard_table(path)
            if table.num_rows != entry["rows"]:
                raise DataError(f"shard {path} has {table.num_rows} rows, and the index says {entry['rows']}; {_AGAIN}")
            self._tables.append(table)
        self._ends = list(accumulate(table.num_rows for table in self._tables))

    def __len__(self) -> int:
        """The number of edits."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> TokenisedEdit: ...

    @overload
    def __getitem__(self, place: slice) -> list[TokenisedEdit]: ...

    def __getitem__(self, place: int | slice) -> TokenisedEdit | list[TokenisedEdit]:
        """The edit at a place, or those of a slice; raises `IndexError` beyond the last one."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        at = range(len(self))[place]
        table = bisect.bisect_right(self._ends, at)
        row = at - (self._ends[table - 1] if table else 0)
        return _edit(self._tables[table].slice(row, 1).to_pylist()[0])

    def sample_ids(self) -> Iterable[str]:
        """The ids of all edits in order; no codes are read for them."""
        for table in self._tables:
            for chunk in table.column("sample_id").chunks:
                yield from chunk.to_pylist()

    def shapes(self) -> Iterator[EditShape]:
        """The words and sizes of all edits in order; no codes are read for them."""
        import pyarrow.compute as pc

        for table in self._tables:
            for batch in table.to_batches():
                texts = [batch.column(name).to_pylist() for name in ("sample_id", "instruction", "rationale")]
                sizes = [
                    [(count // width, width) for count, width in zip(counts, widths, strict=True)]
                    for counts, widths in (
                        (
                            pc.list_value_length(batch.column(f"{part}_codes")).to_pylist(),
                            batch.column(f"{part}_columns").to_pylist(),
                        )
                        for part in ("source", "target")
                    )
                ]
                digests = batch.column("source_sha256").to_pylist()
                yield from map(EditShape, *texts, *sizes, digests)

    def codes_used(self) -> tuple[int, int]:
        """The smallest and the largest code of all pictures; (0, 0) where there are none."""
        import pyarrow.compute as pc

        found = [0]
        for table in self._tables:
            for part in ("source", "target"):
                ends = pc.min_max(pc.list_flatten(table.column(f"{part}_codes"))).as_py()
                found += [end for end in ends.values() if end is not None]
        return min(found), max(found)


def _schema() -> pa.Schema:
    import pyarrow as pa

    codes = [
        (f"{part}_{name}", kind)
        for part in ("source", "target")
        for name, kind in (("codes", pa.list_(pa.int32())), ("columns", pa.int32()), ("sha256", pa.string()))
    ]
    texts = ("sample_id", "category", "instruction", "difficulty", "rationale")
    return pa.schema([*((name, pa.string()) for name in texts), *codes])


def _row(edit: TokenisedEdit) -> dict[str, Any]:
    return {
        "sample_id": edit.sample_id,
        "category": edit.category,
        "instruction": edit.instruction,
        "difficulty": edit.difficulty,
        "rationale": edit.rationale,
        "source_codes": [code for row in edit.source for code in row],
        "source_columns": len(edit.source[0]),
        "source_sha256": edit.source_sha256,
        "target_codes": [code for row in edit.target for code in row],
        "target_columns": len(edit.target[0]),
        "target_sha256": edit.target_sha256,
    }


def _edit(row: dict[str, Any]) -> TokenisedEdit:
    source, target = (_rows(row.pop(f"{part}_codes"), row.pop(f"{part}_columns")) for part in ("source", "target"))
    return TokenisedEdit(**row, source=source, target=target)


def _rows(codes: list[int], columns: int) -> Codes:
    return tuple(tuple(codes[start : start + columns]) for start in range(0, len(codes), columns))


def _read_index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = index["version"]
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} has no {INDEX}: it is no tokenised data, or unfinished; run data tokenize to its end"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error}); run data tokenize again") from error
    if version != VERSION:
        raise DataError(f"{path} is of version {version!r}, and this EditLoop reads {VERSION}; run data tokenize again")
    return index


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
