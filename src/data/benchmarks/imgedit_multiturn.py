"""`ImgEditMultiTurn`: the multi-turn suite of ImgEdit-Bench (PKU-YuanGroup/ImgEdit)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.entry_files import FOLDER, read_entry_files
from src.data.benchmarks.layout import BenchmarkFormat, attribute_texts, required_text
from src.data.sample import Unusable
from src.data.sources import ByteProgress, RawItem
from src.errors import DataError
from src.paths import RULE

ANNOTATIONS = "annotation.json"
MOST_TURNS = 9
_INSIDE = (".", "multiturn", "Benchmark/multiturn")


class ImgEditMultiTurn(BenchmarkFormat):
    """Items of `id` (the image) and `turn1`, `turn2` and perhaps `turn3`, by their keys.

    `data_path` is the folder of the categories' folders (content_memory, content_understanding, version_backtrace, each
    with `annotation.json` and its images), one of these folders, or a JSON file; the folder is the category. The
    instruction lists the turns, which are the sample's `turns` as well: the benchmark has them judged by people, after
    the last one.
    """

    NAME: ClassVar[str] = "ImgEdit-Bench (multi-turn)"
    DATA_FILE: ClassVar[str] = "the folder of the categories' folders"

    def find_source(self, path: Path) -> str:
        """The folder from which the images of all files lead."""
        self._files = _files(path)
        if not self._files:
            raise DataError(
                f"{path} holds no {ANNOTATIONS}, nor a folder that does, as {self.NAME} has, or does not exist. "
                f"Correct the path: {RULE}."
            )
        one = len(self._files) == 1 and path.resolve() in {file.resolve() for file in self._files.values()}
        self._root = path.parent if one else path
        return str(self._root)

    def image_folder(self) -> Path:
        """The folder that `data_path` names, or in which the file is that it names."""
        return self._root

    def raw_rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the entries of each file, one file after the other."""
        return read_entry_files(self._files, progress, unwanted)

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has category and key."""
        return {"id": f"{row[FOLDER]}_{key}", "subset": row[FOLDER]}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The turns, numbered, are the instruction; the cluster is the image."""
        image = required_text(row, "id")
        names = [name for place in range(1, MOST_TURNS + 1) if row.get(name := f"turn{place}") not in (None, "")]
        if names[:2] != ["turn1", "turn2"]:
            raise Unusable("fields `turn1` and `turn2` are absent or blank")
        turns = [required_text(row, name) for name in names]
        beside = self._files[row[FOLDER]].parent.relative_to(self._root) / image
        return {
            "edit_instruction_en": "\n".join(f"{place}. {turn}" for place, turn in enumerate(turns, 1)),
            "edit_turns": turns,
            "src_img": str(beside) if (self.images.path / beside).is_file() else image,
            "cluster": image,
            "attributes": attribute_texts(row, "id", *names),
        }


def _files(path: Path) -> dict[str, Path]:
    """The files by the names of their categories."""
    if path.is_file():
        return {path.parent.name if path.name == ANNOTATIONS else path.stem: path}
    for folder in (path / name for name in _INSIDE):
        if (folder / ANNOTATIONS).is_file():
            return {folder.resolve().name: folder / ANNOTATIONS}
        if found := sorted(folder.glob(f"*/{ANNOTATIONS}")):
            return {file.parent.name: file for file in found}
    return {}
