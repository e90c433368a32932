"""Public sets of right edits, on which editors are taught: each row has a source, an instruction and the edit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.layout import BenchmarkFormat, attribute_texts, first_file, required_image, required_text
from src.data.sample import Unusable


class EditPairs(BenchmarkFormat):
    """Rows of three columns; the edit is the item's reference. A subclass names the columns."""

    SOURCE: ClassVar[str]
    INSTRUCTION: ClassVar[str]
    TARGET: ClassVar[str]
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ()
    """Further columns that are kept."""

    def instruction(self, row: Mapping[str, Any]) -> str:
        """The instruction of a row; raises `Unusable` without one."""
        return required_text(row, self.INSTRUCTION)

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Source, English instruction and edit; a row of a test set may lack the edit."""
        found = {
            "edit_instruction_en": self.instruction(row),
            "src_img": required_image(row, self.SOURCE),
            "attributes": attribute_texts(row, *self.ATTRIBUTES),
        }
        return found | ({"reference_img": row[self.TARGET]} if row.get(self.TARGET) else {})


class OmniEdit(EditPairs):
    """OmniEdit-Filtered-1.2M (TIGER-Lab): parquet on the hub, splits dev (700) and train.

    A row words its edit several times, in `edited_prompt_list`; the last wording is taken. The scores that the set was
    filtered by are attributes.
    """

    NAME: ClassVar[str] = "OmniEdit"
    HUB_ID: ClassVar[str] = "TIGER-Lab/OmniEdit-Filtered-1.2M"
    HUB_SPLIT: ClassVar[str] = "dev"
    SOURCE, INSTRUCTION, TARGET = "src_img", "edited_prompt_list", "edited_img"
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("sc_score_1", "sc_score_2", "pq_score", "o_score")

    def instruction(self, row: Mapping[str, Any]) -> str:
        """The last wording."""
        wordings = row.get(self.INSTRUCTION)
        if not isinstance(wordings, list | tuple) or not wordings:
            raise Unusable(f"field `{self.INSTRUCTION}` is no list of wordings")
        return required_text({self.INSTRUCTION: wordings[-1]}, self.INSTRUCTION)

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id is `omni_edit_id`, the category `task`."""
        return {"id": required_text(row, "omni_edit_id"), "subset": required_text(row, "task")}


class MagicBrush(EditPairs):
    """MagicBrush (osunlp): parquet on the hub, splits dev (528) and train (8,807), or the test set's `edit_turns.json`.

    A row is one turn of a session, whose source is what the turn before came to; the turns of a session are a cluster.
    """

    NAME: ClassVar[str] = "MagicBrush"
    HUB_ID: ClassVar[str] = "osunlp/MagicBrush"
    HUB_SPLIT: ClassVar[str] = "dev"
    SOURCE, INSTRUCTION, TARGET = "source_img", "instruction", "target_img"
    _OUTPUT = re.compile(r"(?P<session>[^-/]+)-output(?P<turn>[0-9]+)\.png")

    def find_source(self, path: Path) -> str:
        """`edit_turns.json`, where the folder is that of the unpacked test set."""
        holds_rows = path.is_dir() and not any(path.rglob("edit_turns.json"))
        if not path.exists() or holds_rows or path.suffix == ".parquet":
            return super().find_source(path)
        return str(first_file(path, ("edit_turns.json",), self.NAME))

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has session and turn."""
        session, turn = self._turn(row)
        return {"id": f"{session}_{turn}", "subset": "magicbrush"}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """As of every set; pictures of the test set lie in `images/<session>/`."""
        session, _ = self._turn(row)
        if "output" in row:
            place = f"images/{session}"
            row = {
                **row,
                self.SOURCE: f"{place}/{required_text(row, 'input')}",
                self.TARGET: f"{place}/{required_text(row, 'output')}",
            }
        return {**super().content(row), "cluster": session}

    def _turn(self, row: Mapping[str, Any]) -> tuple[str, str]:
        if "output" not in row:
            return required_text(row, "img_id"), required_text(row, "turn_index")
        if (found := self._OUTPUT.fullmatch(required_text(row, "output"))) is None:
            raise Unusable(f"field `output` is {row['output']!r:.60}, not SESSION-outputTURN.png")
        return found["session"], found["turn"]


class Aurora(EditPairs):
    """AURORA and AURORA-Bench (McGill-NLP): parquet on the hub, or `train.json` of a part with its images.

    Rows of AURORA-Bench (`hf://McGill-NLP/aurora-bench@test`) have no edit, and name their part as `source`. Paths in
    the JSON files begin with `data/`: images are looked for from the folder that holds it.
    """

    NAME: ClassVar[str] = "AURORA"
    HUB_ID: ClassVar[str] = "McGill-NLP/AURORA"
    HUB_SPLIT: ClassVar[str] = "train"
    SOURCE, INSTRUCTION, TARGET = "input", "instruction", "output"

    def image_folder(self) -> Path:
        """The folder that holds the folder `data`, in which the file is."""
        above = Path(self.source).absolute().parents
        return next((folder.parent for folder in above if folder.name == "data"), super().image_folder())

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The category is the row's `source`, or the folder of its picture (`data/ag/images/…`); there are no ids."""
        part, picture = row.get("source"), row.get(self.SOURCE)
        folders = Path(picture).parts[:-1] if isinstance(picture, str) else ()
        named = folders[1] if len(folders) > 1 and folders[0] == "data" else "aurora"
        return {"subset": part if isinstance(part, str) and part.strip() else named}


class HumanEdit(EditPairs):
    """HumanEdit (BryanW): parquet on the hub, one split (train, 5,751)."""

    NAME: ClassVar[str] = "HumanEdit"
    HUB_ID: ClassVar[str] = "BryanW/HumanEdit"
    HUB_SPLIT: ClassVar[str] = "train"
    TOTAL: ClassVar[int] = 5751
    SOURCE, INSTRUCTION, TARGET = "INPUT_IMG", "EDITING_INSTRUCTION", "OUTPUT_IMG"
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("IMAGE_ID", "CORE", "MASK", "OUTPUT_DESCRIPTION")

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The category is `EDITING_TYPE`; an image may be edited in several rows, so ids are places."""
        return {"subset": required_text(row, "EDITING_TYPE")}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """As of every set, with the caption of the source as its description."""
        return {**super().content(row), "original_description_en": row.get("INPUT_CAPTION_BY_LLAMA")}


class VisMin(EditPairs):
    """VisMin's minimal changes as pairs, as EARL's evaluation reads them (mair-lab): parquet on the hub, one split.

    Not `mair-lab/vismin`, whose rows are single pictures. Some instructions begin with the name of their column.
    """

    NAME: ClassVar[str] = "VisMin"
    HUB_ID: ClassVar[str] = "mair-lab/escher-vismin-dev"
    HUB_SPLIT: ClassVar[str] = "train"
    SOURCE, INSTRUCTION, TARGET = "source_image", "edit_instruction", "edited_image"
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ("id",)

    def instruction(self, row: Mapping[str, Any]) -> str:
        """Without the name of its column."""
        text = required_text(row, self.INSTRUCTION).removeprefix(f"{self.INSTRUCTION}:")
        return required_text({self.INSTRUCTION: text}, self.INSTRUCTION)

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The kind of change is in the names of the files alone, and each file has ids of its own: ids are places."""
        return {"subset": "vismin"}
