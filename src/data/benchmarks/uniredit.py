"""`UniREdit`: UniREditBench (Maplebb/UniREditBench), a JSON list with two references an item, image and text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat, attribute_texts, first_file, required_image, required_text

FILES = ("data.json",)


def uniredit_id(name: str, index: str) -> str:
    """The id of a sample, of the parts of which its output's path is made: `<name>/<idx>.png`."""
    return f"{name}_{index}"


class UniREdit(BenchmarkFormat):
    """The JSON file, or its folder, into which the archives of images were unpacked.

    Items have `original_image_path`, `reference_image_path`, `instruction`, `rules`, `name`, `idx` and
    `reference_effect`. Where an item has `rules`,
    those of a game, an editor is told them before the instruction, as in the official script; the instruction alone is
    then the attribute `instruction`.
    """

    NAME: ClassVar[str] = "UniREditBench"
    DATA_FILE: ClassVar[str] = FILES[0]
    TOTAL: ClassVar[int] = 2700
    OUTPUT_FOLDERS: ClassVar[tuple[str, ...]] = (".",)

    @classmethod
    def output_names(cls, sample_id: str) -> list[str]:
        """`<name>/<idx>`, of which either may hold the sign that joins them in an id."""
        parts = sample_id.split("_")
        return ["_".join(parts[:place]) + "/" + "_".join(parts[place:]) for place in range(len(parts) - 1, 0, -1)]

    def find_source(self, path: Path) -> str:
        """The JSON file."""
        return str(first_file(path, FILES, self.NAME))

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has `name`, which is the category, and `idx`."""
        name = required_text(row, "name")
        return {"id": uniredit_id(name, required_text(row, "idx")), "subset": name}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The instruction has the rules before it, where there are some."""
        said = attribute_texts(row, "idx", "rules", "reference_effect")
        instruction = required_text(row, "instruction")
        if isinstance(rules := said.get("rules"), str):
            said["instruction"] = instruction
            instruction = f"{rules} {instruction}"
        return {
            "edit_instruction_en": instruction,
            "src_img": required_image(row, "original_image_path"),
            "reference_img": row.get("reference_image_path") or None,
            "attributes": said,
        }
