"""指代: shapes in a row or a column, and the words for its two ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from src.miniature.world.phrasing import Words
from src.miniature.world.referring import listed
from src.miniature.world.scene import Thing


@dataclass(frozen=True)
class End:
    """Words for one end of a line, and for the neighbour of a shape on that side."""

    outermost: Words
    start: Words
    beside: Words
    edge: Words
    one: Words


_LEFT = End(
    Words("leftmost", "最左边"),
    Words("from the left", "从左"),
    Words("to the left of", "左边"),
    Words("left", "左"),
    Words("left", "左边"),
)
_RIGHT = End(
    Words("rightmost", "最右边"),
    Words("from the right", "从右"),
    Words("to the right of", "右边"),
    Words("right", "右"),
    Words("right", "右边"),
)
_TOP = End(
    Words("topmost", "最上面"),
    Words("from the top", "从上"),
    Words("above", "上面"),
    Words("upper", "上"),
    Words("upper", "上面"),
)
_BOTTOM = End(
    Words("lowest", "最下面"),
    Words("from the bottom", "从下"),
    Words("below", "下面"),
    Words("lower", "下"),
    Words("lower", "下面"),
)
LINES = {"row": (_LEFT, _RIGHT), "column": (_TOP, _BOTTOM)}


def line(names: list[tuple[str, str]], direction: str, sizes: list[float]) -> list[Thing]:
    """Return shapes at equal distances in a row or a column."""
    step = 64 / len(names)
    places = [(step * (i + 0.5), 32.0) if direction == "row" else (32.0, step * (i + 0.5)) for i in range(len(names))]
    return [Thing(form, colour, x, y, size) for (colour, form), (x, y), size in zip(names, places, sizes, strict=True)]


def described(shapes: Sequence[Thing], direction: str) -> Words:
    """Return a description of a line of shapes."""
    names = listed(shapes)
    if direction == "row":
        return Words(f"From left to right: {names.en}.", f"从左到右依次是：{names.zh}。")
    return Words(f"From top to bottom: {names.en}.", f"从上到下依次是：{names.zh}。")
