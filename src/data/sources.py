"""Benchmark files of every format as one stream of raw items; memory does not grow with the file.

Parquet cannot be read in smaller pieces than its writer made: there, memory holds about one row group.
"""

from __future__ import annotations

import glob
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from src.errors import DataError, did_you_mean

logger = logging.getLogger(__name__)

SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet")
HUB_PREFIX = "hf://"
PARQUET_BATCH = 4
"""Rows decoded at once: rows hold pictures of megabytes."""


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


def read_items(data_path: str, progress: ByteProgress | None = None) -> Iterator[RawItem]:
    """Streams the items of a JSON list, a JSON mapping of lists, JSON Lines, parquet, or a `datasets` source.

    A file that breaks off yields everything before the break and then raises, so that a run can finish what it read.

    Args:
        data_path: A file, a folder or pattern (`parts/*.parquet`) of parquet files, a folder made by
            `datasets.save_to_disk`, or `hf://org/name[:config][@split]`.
        progress: Updated while reading.

    Raises:
        DataError: the file is missing, empty, of an unknown format, or breaks off (with the byte and the item count).
    """
    progress = progress or ByteProgress()
    count = -1
    try:
        for count, item in enumerate(_raw_items(data_path, progress)):
            yield item if isinstance(item, RawItem) else RawItem(count, *_fields_or_problem(item))
    except OSError as error:
        raise DataError(
            f"{data_path} cannot be read after {count + 1} items: {error}; see that it is readable"
        ) from error
    if count < 0:
        raise DataError(f"benchmark {data_path} holds no items; is it the right file?")
    progress.fraction = 1.0


def _raw_items(data_path: str, progress: ByteProgress) -> Iterator[Any]:
    if data_path.startswith(HUB_PREFIX):
        return _hub_items(data_path)
    if not Path(data_path).exists() and (parts := sorted(glob.glob(data_path, recursive=True))):
        return _parquet_items([Path(part) for part in parts], progress)
    path = _existing(Path(data_path))
    if path.is_dir():
        return _folder_items(path, progress)
    if path.suffix.lower() == ".parquet":
        return _parquet_items([path], progress)
    return (_json_items if path.suffix.lower() == ".json" else _json_lines)(path, progress)


def _fields_or_problem(item: Any) -> tuple[Mapping[str, Any] | None, str | None]:
    if isinstance(item, Mapping):
        return item, None
    return None, f"the item is {type(item).__name__}, not a mapping of fields"


def _existing(path: Path) -> Path:
    if not path.exists():
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"benchmark {path} does not exist.{did_you_mean(path.name, near)} Set benchmark.data_path.")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"benchmark {path} has an unknown format; use one of {', '.join(SUFFIXES)}, or {HUB_PREFIX}org/name"
        )
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"benchmark {path} is empty (0 bytes); write or download it again")
    return path


class _CountingReader:
    """A file that reports how much of it was read."""

    def __init__(self, file: BinaryIO, size: int, progress: ByteProgress) -> None:
        self._file = file
        self._size = size
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        # Kept below 1 until the last item is out: what was read from disk may still wait in the parser.
        self._progress.fraction = min(self._file.tell() / self._size, 0.999)
        return data


def _json_items(path: Path, progress: ByteProgress) -> Iterator[Any]:
    import ijson

    with path.open("rb") as file:
        first = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        file.seek(3 if file.read(3) == b"\xef\xbb\xbf" else 0)
        start, size = file.tell(), path.stat().st_size
        reader = _CountingReader(file, size, progress)
        # Small steps in small files: the progress of a file that is read at once would say nothing.
        step = min(65536, max(512, size // 256))
        if first not in (b"[", b"{"):
            raise DataError(f"{path} must hold a JSON list of items (or a mapping of category to list)")
        count = 0
        try:
            for item in _listed(reader, step) if first == b"[" else _by_category(reader, step):
                yield item
                count += 1
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} breaks off or is malformed at byte {_break_offset(file, start)} of {size}, "
                f"after {count} whole items: {_first_line(error)}. Write or download it again, then --resume."
            ) from error


def _first_line(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return (text.decode(errors="replace") if isinstance(text, bytes) else str(error)).split("\n")[0].rstrip(".")


def _break_offset(file: BinaryIO, start: int) -> int:
    """The byte at which parsing fails; the parser does not tell, so the block that it choked on is fed bytewise."""
    import ijson

    chunk_start, step = start, 65536
    for size in (step, 1):
        events = ijson.sendable_list()
        parser = ijson.basic_parse_coro(events)
        file.seek(start)
        position = start
        try:
            while data := file.read(step if position < chunk_start else size):
                chunk = position
                parser.send(data)
                position += len(data)
                events.clear()
        except (ijson.JSONError, UnicodeDecodeError):
            chunk_start = chunk
        else:
            return position  # nothing wrong but the end
    return chunk_start


def _listed(reader: _CountingReader, step: int) -> Iterator[Any]:
    import ijson

    yield from ijson.items(reader, "item", buf_size=step)


def _by_category(reader: _CountingReader, step: int) -> Iterator[Any]:
    """`{category: [items]}`: an item without a `subset` gets its key; what is no list is metadata of the file."""
    import ijson

    events = ijson.basic_parse(reader, buf_size=step)
    next(events)
    for event, category in events:
        if event != "map_key":
            continue
        event, value = next(events)
        if event != "start_array":
            _built(event, value, events)
            logger.warning("%r in the benchmark file holds no list of items and is ignored", category)
            continue
        for event, value in events:
            if event == "end_array":
                break
            item = _built(event, value, events)
            if isinstance(item, dict) and item.get("subset") is None:
                item["subset"] = category
            yield item


def _built(event: str, value: Any, events: Iterator[tuple[str, Any]]) -> Any:
    """The JSON value that begins with an event."""
    from ijson.common import ObjectBuilder

    builder, depth = ObjectBuilder(), 0
    while True:
        builder.event(event, value)
        depth += (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))
        if depth == 0:
            return builder.value
        event, value = next(events)


def _json_lines(path: Path, progress: ByteProgress) -> Iterator[Any]:
    size, read, index = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            read += len(line)
            progress.fraction = min(read / size, 0.999)
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                yield RawItem(index, None, f"line {number} is not valid JSON: {error}")
            index += 1


def _folder_items(path: Path, progress: ByteProgress) -> Iterator[Any]:
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        import datasets

        try:
            loaded = datasets.load_from_disk(str(path))
        except Exception as error:  # whatever its readers raise on damaged files
            raise DataError(f"{path} cannot be read as a saved dataset: {error}; save it again") from error
        if isinstance(loaded, datasets.DatasetDict):
            raise DataError(f"{path} holds several splits ({', '.join(loaded)}); set data_path to one of its folders")
        return _undecoded(loaded, str(path))
    files = sorted(path.glob("**/*.parquet"))
    if not files:
        raise DataError(f"folder {path} holds neither .parquet files nor a dataset of `datasets.save_to_disk`")
    return _parquet_items(files, progress)


def _parquet_items(files: list[Path], progress: ByteProgress) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    for number, path in enumerate(files):
        try:
            # Without these settings Arrow reads several row groups ahead, each of hundreds of megabytes.
            with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
                row_share = 1 / max(1, file.metadata.num_rows) / len(files)
                for batch in file.iter_batches(batch_size=PARQUET_BATCH):
                    for row in batch.to_pylist():
                        count += 1
                        progress.fraction = min(max(progress.fraction, number / len(files)) + row_share, 0.999)
                        yield row
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read as parquet after {count} items: {error}") from error


def _hub_items(data_path: str) -> Iterator[Any]:
    import datasets

    name, _, split = data_path.removeprefix(HUB_PREFIX).partition("@")
    name, _, config = name.partition(":")
    try:
        loaded = datasets.load_dataset(name, config or None, split=split or "test", streaming=True)
    except Exception as error:  # the hub client raises many kinds
        raise DataError(
            f"{data_path} cannot be loaded: {error}. Check the name, the network, and the split (@split, default test)."
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
