"""`Kris`: KRIS-Bench (mercurystraw/Kris_Bench), a folder a category with its `annotation.json` and images."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from src.data.benchmarks.entry_files import FOLDER, read_entry_files
from src.data.benchmarks.layout import BenchmarkFormat, attribute_texts, required_text
from src.data.sample import Unusable
from src.data.sources import ByteProgress, RawItem
from src.errors import DataError, did_you_mean
from src.paths import RULE

logger = logging.getLogger(__name__)

ANNOTATIONS = "annotation.json"
CATEGORIES = (
    *("count_change", "color_change", "size_adjustment", "part_completion", "anomaly_correction"),
    *("viewpoint_change", "position_movement", "temporal_prediction"),
    *("humanities", "practical_knowledge"),
    *("biology", "chemistry", "geography", "medicine", "mathematics", "physics"),
    *("abstract_reasoning", "rule-based_reasoning"),
    *("multi-element_composition", "multi-instruction_execution"),
)


_OLDER_NAMES = {
    "object_count": "count_change",
    "daily_life": "practical_knowledge",
    "rule_reasoning": "rule-based_reasoning",
    "view_pair": "viewpoint_change",
    "abnormality_correction": "anomaly_correction",
}
"""What the older scripts of the benchmark call some of its folders."""


def kris_id(category: str, key: str) -> str:
    """The id of a sample, of the parts of which its output's path is made: `<category>/<key>.jpg`."""
    return f"{category}_{key}"


class Kris(BenchmarkFormat):
    """Rows of `ori_img` (a name, or a list of several), `gt_img`, `ins_en` and `explain_en`, by their keys.

    `data_path` is the folder that holds the folders of the categories. Folders of some categories suffice; which are
    not there is said in a warning. `explain_en` is the rationale.
    """

    NAME: ClassVar[str] = "KRIS-Bench"
    DATA_FILE: ClassVar[str] = "the folder of the categories' folders"
    TOTAL: ClassVar[int] = 1267
    OUTPUT_FOLDERS: ClassVar[tuple[str, ...]] = (".",)

    @classmethod
    def output_names(cls, sample_id: str) -> list[str]:
        """`<category>/<key>`."""
        starts = {name: kris_id(name, "") for name in CATEGORIES}
        found = [name for name, start in starts.items() if sample_id.startswith(start)]
        return [f"{name}/{sample_id.removeprefix(starts[name])}" for name in found]

    def find_source(self, path: Path) -> str:
        """The folder of the categories' folders."""
        for folder in (path, path / "KRIS_Bench"):
            if any((folder / name / ANNOTATIONS).is_file() for name in CATEGORIES):
                return str(folder)
        if not path.is_dir():
            raise DataError(f"benchmark {path} is no folder. Correct the path: {RULE}.")
        there = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
        raise DataError(
            f"{path} holds no {ANNOTATIONS} in a folder named as a category of {self.NAME} ({', '.join(CATEGORIES)})."
            + (f" It holds the folders {', '.join(there[:8])}." if there else "")
        )

    def image_folder(self) -> Path:
        """The folder of the categories' folders."""
        return Path(self.source)

    def raw_rows(self, progress: ByteProgress, unwanted: Container[int]) -> Iterator[RawItem]:
        """Streams the entries of each category's file, one category after the other."""
        self._say_what_is_not_there()
        folder = Path(self.source)
        files = {name: file for name in CATEGORIES if (file := folder / name / ANNOTATIONS).is_file()}
        return read_entry_files(files, progress, unwanted)

    def _say_what_is_not_there(self) -> None:
        folder = Path(self.source)
        there = {entry.name for entry in folder.iterdir() if entry.is_dir()}
        lacking = [name for name in CATEGORIES if not (folder / name / ANNOTATIONS).is_file()]
        if lacking:
            reading = [name for name in CATEGORIES if name not in lacking]
            logger.warning(
                "%s: there is no %s for %s; %s can be run, and are all that is read",
                *(folder, ANNOTATIONS, ", ".join(lacking), ", ".join(reading)),
            )
        for name in sorted(there - set(CATEGORIES)):
            if (folder / name / ANNOTATIONS).is_file():
                now = _OLDER_NAMES.get(name)
                advice = f" The data have it as {now!r}: rename it." if now in lacking else did_you_mean(name, lacking)
                logger.warning("%s: the folder %r is none of %s and is not read.%s", folder, name, self.NAME, advice)

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has category and key."""
        category = str(row[FOLDER])
        return {"id": kris_id(category, key or ""), "subset": category}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """All images of a list are sources, in its order."""
        category = str(row[FOLDER])
        if "ins_en" not in row and "instruction" in row:
            raise Unusable("there is no `ins_en`: `instruction` and `explain` are the fields of another version")
        sources, truth = row.get("ori_img"), row.get("gt_img")
        names = sources if isinstance(sources, list) else [sources]
        if not names or not all(isinstance(name, str) and name.strip() for name in names):
            raise Unusable(f"field `ori_img` is {sources!r:.60}, neither the name of an image nor a list of names")
        if truth is not None and not isinstance(truth, str):
            raise Unusable(f"field `gt_img` is {type(truth).__name__}, not the name of an image")
        paths = [f"{category}/{name}" for name in names]
        return {
            "edit_instruction_en": required_text(row, "ins_en"),
            "src_img": paths[0],
            "further_src_imgs": paths[1:] or None,
            "reference_img": f"{category}/{truth}" if truth else None,
            "rationale_short_en": row.get("explain_en"),
            "attributes": attribute_texts({**row, "ori_img": names}, "ori_img", "gt_img", "explain_en"),
        }
