"""`EditParquet`: rows of `src_img_b64`, `edit_prompt`, `qwen_edited_img_b64` and `task`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from src.data.convert.base import BadRow, Converter, ConverterParams, Keep, image_of, kept, text_of


class EditParquet(Converter):
    """One row is one edit task; the category is its `task`.

    `edit_prompt` is a list [short, detailed], the text of such a list, or one text for both. The editor's first attempt
    (`qwen_edited_img_b64`), where there is one, is kept as `preliminary_img`.
    """

    class Params(ConverterParams):
        """The one of the two instructions that is taken."""

        wording: Literal["short", "detailed"] = "detailed"

    SOURCE: ClassVar[str] = "the training data of official_grpo_rl_post_edit_module (parquet or JSONL)"
    RESULT: ClassVar[str] = "edit task"

    def items(self, row: Mapping[str, Any], index: int, keep: Keep) -> Iterator[dict[str, Any]]:
        """Yields the single item of the row."""
        item: dict[str, Any] = {"subset": text_of(row, "task"), "edit_instruction_en": self._instruction(row)}
        if row.get("omni_edit_id") is not None:
            item["id"] = str(row["omni_edit_id"])
        fields = {"src_img": "src_img_b64", "preliminary_img": "qwen_edited_img_b64"}
        for ours, theirs in fields.items():
            if ours == "src_img" or row.get(theirs):
                item[ours] = kept(keep, image_of(row.get(theirs), theirs), theirs)
        yield item

    def _instruction(self, row: Mapping[str, Any]) -> str:
        wordings = _listed(row.get("edit_prompt"))
        chosen = wordings[0 if self.params.wording == "short" else -1] if wordings else None
        if not isinstance(chosen, str) or not chosen.strip():
            raise BadRow(
                f"field `edit_prompt` holds no {self.params.wording} instruction: {row.get('edit_prompt')!r:.80}"
            )
        return chosen.strip()


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):  # a text that only begins like a list
            return [value]
    return list(value) if isinstance(value, list | tuple) else [value]
