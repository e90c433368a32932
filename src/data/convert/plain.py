"""`Plain`: one image and one instruction a row, in JSON Lines, CSV or a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from src.data.convert.base import BadRow, Converter, ConverterParams, Keep, image_of, kept, text_of
from src.data.convert.plain_files import plain_rows
from src.data.image import LazyImage
from src.data.image_folder import ImageFolder, OutsideFolder
from src.data.sources import RawItem

_COPIED = ("id", "difficulty", "original_image_path")


class Plain(Converter):
    """One row is one edit task: `image` and `instruction`, and, where there are such fields, more.

    `category`, `difficulty`, `tags` (a list, or text with `;` between), `description`, `rationale`, `id` and an image
    `reference` are taken over. An image is a path from the folder of the file, a `data:` URI, or bytes.
    """

    class Params(ConverterParams):
        """The settings that the rows do not bring themselves."""

        category: str | None = None
        """The category of rows without a field `category`."""
        image: str = "image"
        """Name of the field with the image; rows without it are looked at for `file_name`."""
        instruction: str = "instruction"
        """Name of the field with the instruction."""
        language: Literal["en", "zh"] = "en"
        """The language of instructions, descriptions and rationales."""
        follow_links: bool = False
        """Read images behind links out of the file's folder."""

    SOURCE: ClassVar[str] = "rows of an image and an instruction (JSON, JSONL, CSV, TSV, parquet, or a folder)"
    RESULT: ClassVar[str] = "edit task"

    def __init__(self, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(params)
        self._folder = ImageFolder(Path(), self.params.follow_links)

    def rows(self, source: str) -> Iterator[RawItem]:
        """Reads CSV and TSV too, and folders with `metadata.jsonl` or `.csv` inside or `x.png` beside `x.txt`."""
        self._folder = ImageFolder.of(source, follow_links=self.params.follow_links)
        return plain_rows(source)

    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields the single item of the row."""
        category = row.get("category") or self.params.category
        if not category:
            raise BadRow("there is no field `category`, and none for all rows: --set category=NAME")
        end = "_en" if self.params.language == "en" else ""
        item: dict[str, Any] = {
            "subset": str(category),
            f"edit_instruction{end}": text_of(row, self.params.instruction),
            "src_img": self._kept(row, keep, self.params.image, "file_name"),
        }
        for ours, theirs in (("original_description", "description"), ("rationale_short", "rationale")):
            if row.get(theirs) not in (None, ""):
                item[f"{ours}{end}"] = text_of(row, theirs)
        if row.get("reference") not in (None, "", b""):
            item["reference_img"] = self._kept(row, keep, "reference")
        item |= {name: row[name] for name in _COPIED if row.get(name) not in (None, "")}
        if tags := row.get("tags"):
            item["tags"] = [tag.strip() for tag in tags.split(";")] if isinstance(tags, str) else tags
        yield item

    def _kept(self, row: Mapping[str, Any], keep: Keep, *names: str) -> str:
        name = next((name for name in names if row.get(name) not in (None, "", b"")), names[0])
        return kept(keep, self._image(row.get(name), name), name)

    def _image(self, value: Any, name: str) -> LazyImage:
        if isinstance(value, Mapping) and not value.get("bytes"):
            value = value.get("path")
        if not isinstance(value, str) or value.startswith("data:"):
            return image_of(value, name)
        try:
            return self._folder.image(value)
        except OutsideFolder as error:
            raise BadRow(f"field `{name}`: {error}") from error
