"""Benchmark files of every format as one stream of raw items; memory does not grow with the file.

Parquet cannot be read in smaller pieces than its writer made: there, memory holds about one row group.
"""

from __future__ import annotations

import glob
import itertools
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from src.data.json_stream import (
    MAX_ITEM_BYTES,
    BrokenOff,
    JsonValueError,
    RawValue,
    iter_entries,
    iter_values,
    single_value,
)
from src.errors import DataError, did_you_mean
from src.paths import RULE

SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet")
HUB_PREFIX = "hf://"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PARQUET_BATCH = 4
"""Rows decoded at once: rows hold pictures of megabytes."""
BOMB_BYTES = 64 * 2**20
BOMB_RATIO = 100
"""A row group that unpacks to more bytes than the first and by more than the second is not read."""


@dataclass
class ByteProgress:
    """The share of a benchmark file that was read so far, for estimates of how many samples will come."""

    fraction: float = 0.0
    """0 to 1; stays 0 where a source does not know its size."""


@dataclass(frozen=True)
class RawItem:
    """One item as it stands in the file, or why it cannot be read."""

    index: int
    fields: Mapping[str, Any] | None
    problem: str | None = None
    passed_over: bool = False
    """Whether it was not read, as nobody wants it."""
    key: str | None = None
    """Its key, in a JSON mapping of items."""
    language: Literal["en", "zh"] | None = None
    """The language of its instruction; None where that is not the item's to say."""


def read_items(
    data_path: str, progress: ByteProgress | None = None, unwanted: Container[int] = ()
) -> Iterator[RawItem]:
    """Streams the items of a JSON list, a JSON mapping of lists, JSON Lines, parquet, or a `datasets` source.

    A file that breaks off yields everything before the break and then raises, so that a run can finish what it read.

    Args:
        data_path: A file, a folder or pattern (`parts/*.parquet`) of parquet files, a folder made by
            `datasets.save_to_disk`, or `hf://org/name[:config][@split]`.
        progress: Updated while reading.
        unwanted: Places of items that are passed over: they come without fields, and as far as the format allows
            without being read.

    Raises:
        DataError: the file is missing, empty, of an unknown format, or breaks off (with the byte and the item count).
    """
    progress = progress or ByteProgress()
    count = -1
    try:
        for count, item in enumerate(_raw_items(data_path, progress, unwanted)):
            if not isinstance(item, RawItem):
                item = _passed_over(count) if count in unwanted else RawItem(count, *_fields_or_problem(item))
            yield item
    except OSError as error:
        raise DataError(
            f"{data_path} cannot be read after {count + 1} items: {error}; see that it is readable"
        ) from error
    if count < 0:
        raise DataError(f"benchmark {data_path} holds no items; is it the right file?")
    progress.fraction = 1.0


def read_entries(path: Path, progress: ByteProgress, unwanted: Container[int] = ()) -> Iterator[RawItem]:
    """Streams the values of a JSON file that is one mapping, each with its key; see `read_items`.

    Raises:
        DataError: as `read_items`, and for a file that is no mapping. One without entries is no error.
    """
    try:
        yield from _json_items(_existing(path), progress, unwanted, entries=True)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}; see that it is readable") from error


def _raw_items(data_path: str, progress: ByteProgress, unwanted: Container[int]) -> Iterator[Any]:
    if data_path.startswith(HUB_PREFIX):
        return _hub_items(data_path)
    if not Path(data_path).exists() and (parts := sorted(glob.glob(data_path, recursive=True))):
        return _parquet_items([Path(part) for part in parts], progress, unwanted)
    path = _existing(Path(data_path))
    if path.is_dir():
        return _folder_items(path, progress, unwanted)
    if path.suffix.lower() == ".parquet":
        return _parquet_items([path], progress, unwanted)
    return (_json_items if path.suffix.lower() == ".json" else _json_lines)(path, progress, unwanted)


def _passed_over(index: int) -> RawItem:
    return RawItem(index, None, passed_over=True)


def _fields_or_problem(item: Any) -> tuple[Mapping[str, Any] | None, str | None]:
    if isinstance(item, Mapping):
        return item, None
    return None, f"the item is {type(item).__name__}, not a mapping of fields"


def _existing(path: Path) -> Path:
    if not path.exists():
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"benchmark {path} does not exist.{did_you_mean(path.name, near)} Correct the path: {RULE}.")
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"benchmark {path} is neither a file nor a folder (a device or a pipe?); name a file")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"benchmark {path} has an unknown format; use one of {', '.join(SUFFIXES)}, or {HUB_PREFIX}org/name"
        )
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"benchmark {path} is empty (0 bytes); write or download it again")
    return path


def _json_items(
    path: Path, progress: ByteProgress, unwanted: Container[int], *, entries: bool = False
) -> Iterator[RawItem]:
    with path.open("rb") as file:
        first = file.read(4096).lstrip(_BYTE_ORDER_MARK + b" \t\r\n")[:1]
        file.seek(len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0)
        if first not in (b"[", b"{"):
            raise DataError(f"{path} must hold a JSON list of items (or a mapping of category to list)")
        if entries and first != b"{":
            raise DataError(f"{path} holds a JSON list, and must hold a mapping of key to item; is it the right file?")
        size = path.stat().st_size
        # Small steps in small files: the progress of a file that is read at once would say nothing.
        step = min(65536, max(512, size // 256))
        start = file.tell()

        def read() -> bytes:
            data = file.read(step)
            # Kept below 1 until the last item is out: what was read from disk may still wait to be cut.
            progress.fraction = min(file.tell() / size, 0.999)
            return data

        count = 0
        try:
            for key, raw in (iter_entries if entries else iter_values)(read, start):
                if count in unwanted:
                    yield _passed_over(count)
                else:
                    yield replace(_json_item(count, raw), key=key) if entries else _json_item(count, raw, key)
                count += 1
        except BrokenOff as error:
            raise DataError(
                f"{path} breaks off or is malformed at byte {error.offset} of {size}, after {count} items: {error}. "
                "Write or download it again, then --resume."
            ) from error


def _json_item(index: int, raw: RawValue, category: str | None = None, line: int | None = None) -> RawItem:
    """The item that a raw JSON value holds; in a mapping of lists, one without a `subset` gets the key of its list."""
    try:
        item = raw.value()
    except JsonValueError as error:
        place = f"the item at byte {raw.offset}" if line is None else f"line {line}"
        return RawItem(index, None, f"{place}: {error}")
    fields, problem = _fields_or_problem(item)
    if category is not None and fields is not None and fields.get("subset") is None:
        fields = {**fields, "subset": category}
    return RawItem(index, fields, problem)


def _json_lines(path: Path, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
    size, index, end = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        for number in itertools.count(1):
            offset = end  # counted, as `tell` lets the threads that make cards go first, line by line
            line = file.readline(MAX_ITEM_BYTES + 1)
            end += len(line)
            too_long = len(line) > MAX_ITEM_BYTES
            while too_long and not line.endswith(b"\n") and line:
                line = file.readline(MAX_ITEM_BYTES)
                end += len(line)
            if not line and not too_long:
                return
            progress.fraction = min(end / size, 0.999)
            if too_long:
                yield RawItem(index, None, f"line {number}: larger than {MAX_ITEM_BYTES:,} bytes")
            elif line.removeprefix(_BYTE_ORDER_MARK).strip():
                yield (
                    _passed_over(index)
                    if index in unwanted
                    else _json_item(index, single_value(line.removeprefix(_BYTE_ORDER_MARK), offset), line=number)
                )
            else:
                continue
            index += 1


def _folder_items(path: Path, progress: ByteProgress, unwanted: Container[int]) -> Iterator[Any]:
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        import datasets

        try:
            loaded = datasets.load_from_disk(str(path))
        except Exception as error:  # whatever its readers raise on damaged files
            raise DataError(f"{path} cannot be read as a saved dataset: {error}; save it again") from error
        if isinstance(loaded, datasets.DatasetDict):
            if len(loaded) != 1:
                told = (
                    f"several splits ({', '.join(loaded)}); set data_path to one of its folders"
                    if loaded
                    else "no split"
                )
                raise DataError(f"{path} holds {told}")
            (loaded,) = loaded.values()
        return _undecoded(loaded, str(path))
    files = sorted(path.glob("**/*.parquet"))
    if not files:
        raise DataError(f"folder {path} holds neither .parquet files nor a dataset of `datasets.save_to_disk`")
    return _parquet_items(files, progress, unwanted)


def _parquet_items(files: list[Path], progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    for number, path in enumerate(files):
        try:
            # Without these settings Arrow reads several row groups ahead, each of hundreds of megabytes.
            with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
                row_share = 1 / max(1, file.metadata.num_rows) / len(files)
                for group in range(file.metadata.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if all(index in unwanted for index in range(count, count + rows)):
                        yield from map(_passed_over, range(count, count + rows))
                        count += rows
                        continue
                    if problem := _bomb(file.metadata.row_group(group)):
                        yield RawItem(count, None, f"row group {group} of {path.name} ({rows} rows) {problem}")
                        count += rows
                        continue
                    for row in _rows(file.iter_batches(batch_size=PARQUET_BATCH, row_groups=[group])):
                        progress.fraction = min(max(progress.fraction, number / len(files)) + row_share, 0.999)
                        yield _passed_over(count) if count in unwanted else RawItem(count, row.fields, row.problem)
                        count += 1
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read as parquet after {count} items: {error}") from error


def _bomb(group: Any) -> str | None:
    """Why a row group is not read: it unpacks to more than any group of pictures or texts of its size."""
    columns = [group.column(index) for index in range(group.num_columns)]
    packed = sum(column.total_compressed_size for column in columns)
    unpacked = sum(column.total_uncompressed_size for column in columns)
    if unpacked <= max(BOMB_BYTES, BOMB_RATIO * packed):
        return None
    return f"would unpack from {packed:,} to {unpacked:,} bytes (decompression bomb?)"


def _rows(batches: Iterator[Any]) -> Iterator[RawItem]:
    """The rows as mappings; one with a text that is not UTF-8 has a problem instead."""
    for batch in batches:
        try:
            rows = batch.to_pylist()
        except UnicodeDecodeError:
            yield from map(_row, (batch.slice(place, 1) for place in range(batch.num_rows)))
        else:
            yield from (RawItem(place, *_fields_or_problem(row)) for place, row in enumerate(rows))


def _row(alone: Any) -> RawItem:
    """Returns the only row of a batch."""
    try:
        (row,) = alone.to_pylist()
    except UnicodeDecodeError as error:
        return RawItem(0, None, f"a text of the row is not UTF-8: {error.reason} at byte {error.start}")
    return RawItem(0, *_fields_or_problem(row))


def _hub_items(data_path: str) -> Iterator[Any]:
    import datasets

    name, _, split = data_path.removeprefix(HUB_PREFIX).partition("@")
    name, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(name, config or None, split=split or "test", streaming=True)
    except Exception as error:  # the hub client raises many kinds
        raise DataError(
            f"{data_path} cannot be loaded: {error}. Check the name, the network, and the split (@split, default "
            "test); or download it, and name the folder."
        ) from error
    return _undecoded(loaded, data_path)


def _undecoded(dataset: Any, name: str) -> Iterator[Any]:
    """Rows with pictures as `{bytes, path}`: EditLoop has one decoder, and decodes late."""
    import datasets

    for column, feature in (dataset.features or {}).items():
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(column, datasets.Image(decode=False))
    count = 0
    try:
        for row in dataset:
            yield row
            count += 1
    except Exception as error:  # the network, or whatever readers raise on damaged files
        raise DataError(f"{name} breaks off after {count} items: {error}. Try again with --resume.") from error
