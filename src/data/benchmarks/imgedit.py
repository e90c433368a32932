"""`ImgEdit` and `ImgEditUGE`: two suites of PKU-YuanGroup/ImgEdit, each one JSON mapping of key to item."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat, first_file, folder_of, one_of, required_text
from src.data.sources import ByteProgress, RawItem, read_entries


class ImgEdit(BenchmarkFormat):
    """Items of `id` (the image's path), `prompt` and `edit_type`, by their keys.

    `data_path` is the file, or its folder; the images lie below the same folder or `image_dir`. The 737 items have 171
    source images: samples of one image are one cluster.
    """

    NAME: ClassVar[str] = "ImgEdit-Bench (Basic)"
    DATA_FILE: ClassVar[str] = "basic_edit.json"
    FILES: ClassVar[tuple[str, ...]] = (DATA_FILE, "singleturn.json")
    FOLDERS: ClassVar[tuple[str, ...]] = (".", "original_images", "origin_img", "singleturn", "Benchmark/singleturn")
    """Where the images may lie, from the folder of the JSON file."""
    TOTAL: ClassVar[int] = 737
    OUTPUT_FOLDERS: ClassVar[tuple[str, ...]] = (".",)
    SIZES: ClassVar[Mapping[str, int]] = {
        **{"extract": 117, "style": 100, "add": 95, "adjust": 94, "background": 94, "replace": 92},
        **{"remove": 86, "action": 36, "compose": 23},
    }

    @classmethod
    def output_names(cls, sample_id: str) -> list[str]:
        """`<key>`."""
        return [sample_id]

    def find_source(self, path: Path) -> str:
        """The JSON file."""
        return str(first_file(path, self.FILES, self.NAME))

    def image_folder(self) -> Path:
        """The folder in which the first item's image is."""
        folder = Path(self.source).parent
        first = [raw.fields or {} for raw in islice(read_entries(Path(self.source), ByteProgress()), 1)]
        images = [str(fields.get("id")) for fields in first] or ["."]
        return folder_of(images[0], [folder / name for name in self.FOLDERS])

    def raw_rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the entries of the mapping."""
        return read_entries(Path(self.source), progress, unwanted)

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id is the key."""
        return {"id": key, "subset": one_of(row, "edit_type", self.SIZES)}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The cluster is the image."""
        image = required_text(row, "id")
        return {
            "edit_instruction_en": required_text(row, "prompt"),
            "src_img": image,
            "cluster": image,
            "attributes": {"id": image},
        }


class ImgEditUGE(ImgEdit):
    """The suite for understanding, grounding and editing: items of `id` (the image's path) and `prompt`.

    `data_path` is `UGE_edit.json` of the repository, or its folder; the archive has the images in `Benchmark/hard`.
    """

    NAME: ClassVar[str] = "ImgEdit-Bench (UGE)"
    DATA_FILE: ClassVar[str] = "UGE_edit.json"
    FILES: ClassVar[tuple[str, ...]] = (DATA_FILE,)
    FOLDERS: ClassVar[tuple[str, ...]] = (".", "original_images", "origin_img", "hard", "Benchmark/hard")
    TOTAL: ClassVar[int] = 47
    SIZES: ClassVar[Mapping[str, int]] = {}

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id is the key; all items are of one category."""
        return {"id": key, "subset": "uge"}
