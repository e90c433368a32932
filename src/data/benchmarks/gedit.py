"""`GEdit`: GEdit-Bench (stepfun-ai/Step1X-Edit), one row an instruction in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from src.data.benchmarks.layout import BenchmarkFormat, attribute_texts, one_of, required_image, required_text

TASKS = (
    *("background_change", "color_alter", "material_alter", "motion_change", "ps_human", "style_change"),
    *("subject-add", "subject-remove", "subject-replace", "text_change", "tone_transfer"),
)
"""The categories, as the benchmark spells them."""
_LANGUAGES: dict[str, Literal["en", "zh"]] = {"en": "en", "cn": "zh", "zh": "zh"}


def gedit_id(task: str, language: str, key: str) -> str:
    """The id of a sample, of the parts of which its output's path is made: `<task>/<en|cn>/<key>.png`."""
    return f"{task}_{language}_{key}"


class GEdit(BenchmarkFormat):
    """The dataset on the hub, a folder that `datasets` has saved, or parquet files.

    Rows have `task_type`, `key`, `instruction`, `instruction_language` (en or cn), `input_image`, `input_image_raw` and
    `Intersection_exist`. The source is `input_image`, which the official judge sees; `input_image_raw` is not read.
    """

    NAME: ClassVar[str] = "GEdit-Bench"
    HUB_ID: ClassVar[str] = "stepfun-ai/GEdit-Bench"
    HUB_SPLIT: ClassVar[str] = "train"
    TOTAL: ClassVar[int] = 606
    OUTPUT_FOLDERS: ClassVar[tuple[str, ...]] = (".", "fullset")

    @classmethod
    def output_names(cls, sample_id: str) -> list[str]:
        """`<task>/<en|cn>/<key>`."""
        starts = {gedit_id(task, language, ""): (task, language) for task in TASKS for language in ("en", "cn")}
        found = [start for start in starts if sample_id.startswith(start)]
        return ["/".join((*starts[start], sample_id.removeprefix(start))) for start in found]

    def identity(self, row: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """The id has task, language and key."""
        task, name = one_of(row, "task_type", TASKS), required_text(row, "key")
        language = one_of(row, "instruction_language", _LANGUAGES)
        return {"id": gedit_id(task, "en" if language == "en" else "cn", name), "subset": task}

    def content(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The instruction stands in the field of its language."""
        field = "edit_instruction_en" if self.language(row) == "en" else "edit_instruction"
        return {
            field: required_text(row, "instruction"),
            "src_img": required_image(row, "input_image"),
            "attributes": attribute_texts(row, "key", "Intersection_exist", "instruction_language"),
        }

    def language(self, row: Mapping[str, Any]) -> Literal["en", "zh"] | None:
        """`en`, or `zh` for cn; None for anything else."""
        stated = row.get("instruction_language")
        return _LANGUAGES.get(stated) if isinstance(stated, str) else None
