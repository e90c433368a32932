"""Files of preference pairs for tests: easy pairs of the miniature world, and small hand-made ones."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from src.miniature.world.edits import CATEGORIES, make_edit
from tests.conftest import png


def row(index: int, **changes: Any) -> dict[str, Any]:
    """A sound pair; `changes` overrides fields, and None removes one."""
    fields: dict[str, Any] = {
        "id": f"p{index}",
        "subset": "物理",
        "edit_instruction": f"改成 {index}",
        "edit_instruction_en": f"change to {index}",
        "rationale_short_en": "as it should be",
        "src_img_b64": base64.b64encode(png((index % 256, 40, 90))).decode(),
        "a_img_b64": base64.b64encode(png((index % 256, 200, 90))).decode(),
        "b_img_b64": base64.b64encode(png((index % 256, 120, 90))).decode(),
        "winner": "a",
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


def write_pairs(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return path


def world_rows(count: int) -> list[dict[str, Any]]:
    """Easy pairs: the exact result against its negative; which one is A changes from pair to pair."""
    rows = []
    for index in range(count):
        edit = make_edit(CATEGORIES[index % len(CATEGORIES)], "easy", 1_000_000 + index)
        right, wrong = _encoded(edit.target), _encoded(255 - edit.target)
        a, b = (right, wrong) if index % 2 else (wrong, right)
        rows.append(
            row(
                index,
                subset=edit.category,
                edit_instruction_en=edit.instruction_en,
                rationale_short_en=edit.rationale_en,
                src_img_b64=_encoded(edit.source),
                a_img_b64=a,
                b_img_b64=b,
                winner="a" if index % 2 else "b",
            )
        )
    return rows


def swapped(one: dict[str, Any]) -> dict[str, Any]:
    """The same pair with A and B exchanged."""
    other = {"a": "b", "b": "a"}
    return one | {
        "a_img_b64": one["b_img_b64"],
        "b_img_b64": one["a_img_b64"],
        "winner": other.get(one["winner"], one["winner"]),
    }


def _encoded(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
