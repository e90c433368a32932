"""Benchmark files of every format as one stream of raw items; memory does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from src.errors import DataError, did_you_mean

SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet")
HUB_PREFIX = "hf://"
PARQUET_BATCH = 16
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
        data_path: A file, a folder of parquet files, a folder made by `datasets.save_to_disk`, or
            `hf://org/name[:config][@split]`.
        progress: Updated while reading.

    Raises:
        DataError: the file is missing, empty, of an unknown format, or breaks off (with the byte and the item count).
    """
    progress = progress or ByteProgress()
    if data_path.startswith(HUB_PREFIX):
        items = _hub_items(data_path)
    else:
        path = _existing(Path(data_path))
        if path.is_dir():
            items = _folder_items(path, progress)
        elif path.suffix == ".parquet":
            items = _parquet_items([path], progress)
        elif path.suffix == ".json":
            items = _json_items(path, progress)
        else:
            items = _json_lines(path, progress)
    count = -1
    for count, item in enumerate(items):
        yield item if isinstance(item, RawItem) else RawItem(count, *_fields_or_problem(item))
    if count < 0:
        raise DataError(f"benchmark {data_path} holds no items; is it the right file?")
    progress.fraction = 1.0


def _fields_or_problem(item: Any) -> tuple[Mapping[str, Any] | None, str | None]:
    if isinstance(item, Mapping):
        return item, None
    return None, f"the item is {type(item).__name__}, not a mapping of fields"


def _existing(path: Path) -> Path:
    if not path.exists():
        near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"benchmark {path} does not exist.{did_you_mean(path.name, near)} Set benchmark.data_path.")
    if path.is_file() and path.suffix not in SUFFIXES:
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
        reader = _CountingReader(file, path.stat().st_size, progress)
        if first not in (b"[", b"{"):
            raise DataError(f"{path} must hold a JSON list of items (or a mapping of category to list)")
        count = 0
        try:
            for item in _listed(reader) if first == b"[" else _by_category(reader):
                yield item
                count += 1
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} breaks off or is malformed at about byte {file.tell()} of {path.stat().st_size}, "
                f"after {count} whole items: {str(error).splitlines()[0]}. Write or download it again, then --resume."
            ) from error


def _listed(reader: _CountingReader) -> Iterator[Any]:
    import ijson

    yield from ijson.items(reader, "item", buf_size=65536)


def _by_category(reader: _CountingReader) -> Iterator[Any]:
    """`{category: [items]}`: an item without a `subset` gets its key."""
    import ijson
    from ijson.common import ObjectBuilder

    category, builder = "", None
    for prefix, event, value in ijson.parse(reader, buf_size=65536):
        if prefix == "" and event == "map_key":
            category = value
        inside = prefix.startswith(f"{category}.item") if category else False
        if inside and prefix == f"{category}.item" and builder is None:
            builder = ObjectBuilder()
        if builder is None or not inside:
            continue
        builder.event(event, value)
        if prefix == f"{category}.item" and event not in ("start_map", "start_array", "map_key"):
            item = builder.value
            builder = None
            yield {"subset": category, **item} if isinstance(item, dict) else item


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
            except ValueError as error:
                yield RawItem(index, None, f"line {number} is not valid JSON: {error}")
            index += 1


def _folder_items(path: Path, progress: ByteProgress) -> Iterator[Any]:
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        import datasets

        loaded = datasets.load_from_disk(str(path))
        if isinstance(loaded, datasets.DatasetDict):
            raise DataError(f"{path} holds several splits ({', '.join(loaded)}); set data_path to one of its folders")
        return _undecoded(loaded)
    files = sorted(path.glob("**/*.parquet"))
    if not files:
        raise DataError(f"folder {path} holds neither .parquet files nor a dataset of `datasets.save_to_disk`")
    return _parquet_items(files, progress)


def _parquet_items(files: list[Path], progress: ByteProgress) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                total = max(1, file.metadata.num_rows * len(files))
                for batch in file.iter_batches(batch_size=PARQUET_BATCH):
                    for row in batch.to_pylist():
                        count += 1
                        progress.fraction = min(count / total, 0.999)
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
    return _undecoded(loaded)


def _undecoded(dataset: Any) -> Iterator[Any]:
    """Rows with pictures as `{bytes, path}`: EditLoop has one decoder, and decodes late."""
    import datasets

    for column, feature in (dataset.features or {}).items():
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(column, datasets.Image(decode=False))
    yield from dataset
