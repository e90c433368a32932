"""`RISE`: RISEBench (PhoenixZ810/RISEBench), one JSON list of 360 items, or the 64 of its repository."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.layout import (
    BenchmarkFormat,
    attribute_texts,
    first_file,
    folder_of,
    one_of,
    required_image,
    required_text,
)
from src.data.sample import Unusable
from src.data.sources import read_items
from src.errors import DataError

FILES = ("datav2_total_w_subtask.json", "data_total.json")
FOLDERS = (".", "data")
"""Where the images may lie, from the folder of the JSON file."""
_TOLD_BY_COLUMNS = ("consistency_free", "reasoning_wo_ins")
"""Switches of which the official script asks as well whether the data have them as a column at all."""
_SAID = ("index", "subtask", "reference", "reference_txt", "reasoning_img", "consistency_free", "reasoning_wo_ins")


class RISE(BenchmarkFormat):
    """A JSON file, its folder, or the same columns as parquet.

    Items have `index`, `category`, `instruction` and `image`, the reference as text (`reference`, `reference_txt`) or
    as `reference_img`, and `subtask` and switches of the judge where the file has them.
    To the benchmark it does not matter what a switch is set to, but whether it is set: NaN counts as absent. Which of
    two switches any item has is the attribute `columns`.
    """

    NAME: ClassVar[str] = "RISEBench"
    DATA_FILE: ClassVar[str] = FILES[0]
    TOTAL: ClassVar[int] = 360
    OUTPUT_FOLDERS: ClassVar[tuple[str, ...]] = (".", "images")
    SIZES: ClassVar[Mapping[str, int]] = {
        "temporal_reasoning": 85,
        "causal_reasoning": 90,
        "spatial_reasoning": 100,
        "logical_reasoning": 85,
    }

    @classmethod
    def output_names(cls, sample_id: str) -> list[str]:
        """`<category>/<index>`."""
        return [f"{category}/{sample_id}" for category in cls.SIZES if sample_id.startswith(f"{category}_")]

    def find_source(self, path: Path) -> str:
        """The JSON file, or what holds rows as it does."""
        return str(first_file(path, FILES, self.NAME)) if path.is_dir() and not _has_rows(path) else self.data_path

    def image_folder(self) -> Path:
        """The folder in which the first item's image is."""
        folder = super().image_folder()
        if Path(self.source).suffix.lower() != ".json":
            return folder
        first = [raw.fields or {} for raw in islice(read_items(self.source), 1)]
        return folder_of(str(first[0].get("image")), [folder / name for name in FOLDERS])

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id is the index, which has the category in it."""
        return {"id": required_text(row, "index"), "subset": one_of(row, "category", self.SIZES)}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The subtask is a tag."""
        reference = row.get("reference_img")
        if isinstance(row.get("image"), list):
            raise Unusable("field `image` is a list: items of several images are RISEBench++'s, another benchmark")
        return {
            "edit_instruction_en": required_text(row, "instruction"),
            "src_img": required_image(row, "image"),
            "reference_img": None if reference != reference or not reference else reference,
            "tags": [row["subtask"]] if isinstance(row.get("subtask"), str) else [],
            "attributes": attribute_texts({**row, "columns": self._columns}, *_SAID, "columns"),
        }

    @cached_property
    def _columns(self) -> list[str]:
        """The switches that any row of a JSON file has, which is small, or the first row of a table."""
        rows = read_items(self.source)
        if Path(self.source).suffix.lower() != ".json":
            rows = islice(rows, 1)
        seen: set[str] = set()
        with suppress(DataError):  # who reads the items is told
            for raw in rows:
                seen |= set(raw.fields or ())
        return [name for name in _TOLD_BY_COLUMNS if name in seen]


def _has_rows(path: Path) -> bool:
    """Whether a folder is a dataset of rows, as `read_items` reads it."""
    return (path / "dataset_info.json").is_file() or any(path.glob("**/*.parquet"))
