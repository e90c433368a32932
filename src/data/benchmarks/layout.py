"""`BenchmarkFormat`: a benchmark in the layout in which it is published, opened for reading."""

from __future__ import annotations

import glob
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from src.data.image_folder import ImageFolder
from src.data.names import storable
from src.data.sample import Unusable
from src.data.sources import HUB_PREFIX, ByteProgress, RawItem, read_items
from src.errors import DataError, did_you_mean
from src.paths import RULE

logger = logging.getLogger(__name__)

Seen = Counter[tuple[str, str | None]]
"""How many items there are of each category and language."""


class BenchmarkFormat(ABC):
    """Reads one layout. A subclass says which files there are, and what a row of theirs means.

    Args:
        data_path: As in the config.
        image_dir: The folder from which image paths lead; None for the place that the layout has for them.
        run_language: The language of the run, in which items can be lacking.
        follow_links: Whether images behind links out of that folder are read.

    Raises:
        DataError: on construction, when `data_path` is not of this layout at all.
    """

    NAME: ClassVar[str]
    """What the benchmark is called in messages."""
    TOTAL: ClassVar[int | None] = None
    """The number of items of the published benchmark, in each language; None where it is not known."""
    SIZES: ClassVar[Mapping[str, int]] = {}
    """The number of items of each category of the published benchmark, where they are known."""
    OUTPUT_FOLDERS: ClassVar[tuple[str, ...]] = ()
    """Where outputs of an editor lie in the official layout, from the editor's folder or from a folder in it."""
    HUB_ID: ClassVar[str | None] = None
    """The dataset's name on the hub, where that has its rows."""
    HUB_SPLIT: ClassVar[str | None] = None
    """The split that is read of a dataset on the hub unless `data_path` names one; None where it has no rows."""
    DATA_FILE: ClassVar[str] = "it"
    """What `data_path` names of a benchmark without rows on the hub."""

    def __init__(
        self,
        data_path: str,
        image_dir: str | None = None,
        run_language: Literal["en", "zh"] = "en",
        *,
        follow_links: bool = False,
    ) -> None:
        self.data_path = data_path
        self._run_language = run_language
        self.source = self._on_the_hub() if data_path.startswith(HUB_PREFIX) else self.find_source(Path(data_path))
        if image_dir is not None and not Path(image_dir).is_dir():
            raise DataError(f"benchmark.image_dir {image_dir} is no folder. Correct the path: {RULE}.")
        self.images = ImageFolder(Path(image_dir) if image_dir else self.image_folder(), follow_links)

    def _on_the_hub(self) -> str:
        if self.HUB_SPLIT is None:
            raise DataError(
                f"{self.data_path}: {self.NAME} is published as files and images, not as rows: download both, and set "
                f"benchmark.data_path to {self.DATA_FILE} and benchmark.image_dir to the folder of the images, where "
                "they lie elsewhere"
            )
        return self.data_path if "@" in self.data_path else f"{self.data_path}@{self.HUB_SPLIT}"

    def find_source(self, path: Path) -> str:
        """The file or folder that `read_items` is to read, by default `data_path` itself.

        Args:
            path: `data_path`.

        Raises:
            DataError: nothing of the layout is there.
        """
        if self.HUB_ID is not None and not path.exists() and not glob.glob(self.data_path, recursive=True):
            hub = f"{HUB_PREFIX}{self.HUB_ID}"
            raise _absent(path, f" Or set benchmark.data_path to {hub}, which is read over the network.")
        return self.data_path

    def image_folder(self) -> Path:
        """The folder from which image paths lead, by default that of `source`."""
        return ImageFolder.of(self.source, follow_links=False).path

    @classmethod
    def output_names(cls, sample_id: str) -> list[str]:
        """The paths, without suffix, of which one is that of a sample's output in the official layout.

        None where the id is no sample's of this benchmark, or outputs have no names by which to find them.
        """
        return []

    @abstractmethod
    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The `id` and the `subset` of the item that a row of the benchmark is.

        Args:
            row: As it stands in the file.
            key: Its key, in a mapping of rows.

        Raises:
            Unusable: the row is not one of this benchmark.
        """

    @abstractmethod
    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """All other fields of the item, as EditLoop's own items (docs/data.md) have them.

        Args:
            row: As it stands in the file.

        Raises:
            Unusable: the row cannot be run.
        """

    def language(self, row: Mapping[str, Any]) -> Literal["en", "zh"] | None:
        """The language of the row's instruction; None, by default, where rows do not have one each."""
        return None

    def raw_rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the rows as they stand in the files, by default those of `source`."""
        return read_items(self.source, progress, unwanted)

    def rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the items; warns at the end where they are not all that the published benchmark has.

        Args:
            progress: Updated while reading.
            unwanted: Places of items that are passed over; see `read_items`.

        Raises:
            DataError: the files cannot be read, or break off.
        """
        seen: Seen = Counter()
        whole = True
        for raw in self.raw_rows(progress, unwanted):
            item = self._translated(raw)
            whole = whole and not raw.passed_over
            seen[str((item.fields or {}).get("subset")), item.language] += 1
            yield item
        if not seen:
            raise DataError(f"benchmark {self.data_path} holds no items; is it the right one?")
        for sentence in self.incomplete(seen) if whole else ():
            logger.warning("%s: %s", self.data_path, sentence)

    def _translated(self, raw: RawItem) -> RawItem:
        if raw.fields is None:
            return raw
        fields: dict[str, Any] = {}
        problem = None
        try:
            fields |= self.identity(raw.fields, raw.key)
            fields |= self.content(raw.fields)
        except Unusable as error:
            problem = str(error)
        return replace(raw, fields=fields, problem=problem, language=self.language(raw.fields))

    def incomplete(self, seen: Seen) -> Iterator[str]:
        """A sentence where there are not as many items in the run's language as were published."""
        languages = {name for _, name in seen} - {None}
        language = self._run_language if languages else None
        counts = Counter({category: count for (category, name), count in seen.items() if name == language})
        if self.TOTAL is not None and counts.total() not in (0, self.TOTAL):
            lacking = [f"{name} {counts[name]} of {size}" for name, size in self.SIZES.items() if counts[name] != size]
            parts = f" ({', '.join(lacking)})" if lacking else ""
            yield (
                f"there are {counts.total()} items{f' in {language}' if language else ''} where {self.NAME} has "
                f"{self.TOTAL}{parts}. They can be run, but their means are not those of the whole benchmark: do not "
                "set them beside published ones"
            )


def attribute_texts(row: Mapping[str, Any], *names: str) -> dict[str, str | list[str]]:
    """The fields of a row that a protocol needs, as texts; those that are absent, empty or NaN are left out.

    Raises:
        Unusable: one of them is neither text, number, truth value nor a list of texts.
    """
    found: dict[str, str | list[str]] = {}
    for name in names:
        value = row.get(name)
        if value is None or value in ("", [], ()) or value != value:
            continue
        if isinstance(value, bool):
            found[name] = str(value).lower()
        elif isinstance(value, str | int | float):
            found[name] = storable(str(value)).strip()
        elif isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
            found[name] = [storable(one) for one in value]
        else:
            raise Unusable(f"field `{name}` is {type(value).__name__}, neither a text nor a list of texts")
    return {name: said for name, said in found.items() if said}


def required_text(row: Mapping[str, Any], name: str) -> str:
    """A field that names an item: a text without outer blanks, or a whole number as text.

    Raises:
        Unusable: it is absent, blank or something else.
    """
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        what = (
            "is absent or blank" if value is None or isinstance(value, str) else f"is {type(value).__name__}, not text"
        )
        raise Unusable(f"field `{name}` {what}")
    return storable(value).strip()


def required_image(row: Mapping[str, Any], name: str) -> Any:
    """A field with the source image, as a path, as bytes or as the struct that `datasets` makes of both.

    Raises:
        Unusable: it is absent or something else.
    """
    value = row.get(name)
    if not isinstance(value, str | bytes | Mapping) or not value:
        what = "is absent or empty" if not value else f"is {type(value).__name__}, neither a path nor bytes"
        raise Unusable(f"the source image (field `{name}`) {what}")
    return value


def one_of(row: Mapping[str, Any], name: str, known: Collection[str]) -> str:
    """A field that has one of some known values.

    Raises:
        Unusable: it has another one; the text names those that there are.
    """
    value = required_text(row, name)
    if value not in known:
        raise Unusable(f"field `{name}` is {value!r:.60}, none of {', '.join(known)}.{did_you_mean(value, known)}")
    return value


def first_file(path: Path, names: tuple[str, ...], benchmark: str) -> Path:
    """The file itself, or the first of these that is in the folder, or in a folder of it.

    Raises:
        DataError: there is none; the text names those that were looked for.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise _absent(path)
    for name in names:
        if (path / name).is_file():
            return path / name
    for name in names:
        if found := sorted(path.glob(f"*/{name}")):
            return found[0]
    raise DataError(
        f"{path} holds no {' or '.join(names)}, as {benchmark} has. Set benchmark.data_path to the file itself, "
        "whatever its name."
    )


def folder_of(image: str, folders: list[Path]) -> Path:
    """The first of the folders in which there is this image, else the first of all, in which others may be."""
    return next((folder for folder in folders if (folder / image).is_file()), folders[0])


def _absent(path: Path, more: str = "") -> DataError:
    near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return DataError(f"benchmark {path} does not exist.{did_you_mean(path.name, near)} Correct the path: {RULE}.{more}")
