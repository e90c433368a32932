"""Questions about miniature pictures whose answers follow exactly from the scene.

Run `python -m src.miniature.questions` to re-create `assets/miniature/questions.jsonl`.
"""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from src.miniature.palette import COLOURS
from src.miniature.phrasing import COLOUR_WORDS, KIND_WORDS, NUMBER_WORDS, SIDE_WORDS, Words, named
from src.miniature.render import render
from src.miniature.scene import Scene, Thing

SHIPPED_PATH = Path("assets/miniature/questions.jsonl")
SHIPPED_COUNT = 250
KINDS = ("circle", "square", "triangle")
_MOST = 4
_NONE = Words("zero", "零")
_YES, _NO = Words("yes", "是"), Words("no", "否")


@dataclass(frozen=True)
class MiniatureQuestion:
    """A scene of shapes in a row, a question about it and the only right answer, in both languages."""

    scene: Scene
    kind: str
    """`colour`, `count`, `side`, `presence` or `order`."""
    text: Words
    answer: Words


def make_question(seed: int) -> MiniatureQuestion:
    """One question; the same seed gives the same one on every machine, and kinds take turns."""
    rng = random.Random(f"question {seed}")
    name = list(_KINDS_OF_QUESTIONS)[seed % len(_KINDS_OF_QUESTIONS)]
    scene = _row_of_shapes(rng)
    text, answer = _KINDS_OF_QUESTIONS[name](rng, scene.things)
    return MiniatureQuestion(scene, name, text, answer)


def write_questions(path: Path, count: int, language: str = "en", seed: int = 0) -> None:
    """Writes `{prompt, answer, images}` lines that `load_questions` reads; the pictures are part of the lines.

    Args:
        path: A `.jsonl` file; its folder is made.
        count: Number of questions.
        language: `en` or `zh`.
        seed: Of the first question; the others follow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for item in _items(count, language, seed):
            file.write(json.dumps(item, ensure_ascii=False) + "\n")


def _items(count: int, language: str, seed: int) -> Iterator[dict[str, object]]:
    for number in range(seed, seed + count):
        question = make_question(number)
        picture = base64.b64encode(_png(question.scene)).decode("ascii")
        yield {
            "id": f"miniature_{number:05d}",
            "category": question.kind,
            "prompt": f"<image> {getattr(question.text, language)}",
            "answer": getattr(question.answer, language),
            "images": [f"data:image/png;base64,{picture}"],
        }


def _png(scene: Scene) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(render(scene)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _row_of_shapes(rng: random.Random) -> Scene:
    """Two to four shapes on a board, no two alike in both colour and form."""
    count = rng.randint(2, _MOST)
    looks = rng.sample([(colour, kind) for colour in sorted(COLOURS) for kind in KINDS], count)
    step = 64 / count
    shapes = [Thing(kind, colour, step * (place + 0.5), 32.0, 12.0) for place, (colour, kind) in enumerate(looks)]
    return Scene("board", tuple(shapes), shade=rng.randrange(3))


def _colour(rng: random.Random, shapes: tuple[Thing, ...]) -> tuple[Words, Words]:
    """Of the only shape of its form, or of one at an end of the row."""
    lone = [shape for shape in shapes if sum(other.kind == shape.kind for other in shapes) == 1]
    if lone:
        shape = rng.choice(lone)
        called = KIND_WORDS[shape.kind]
    else:
        side = rng.choice(("left", "right"))
        shape = shapes[0 if side == "left" else -1]
        called = Words(f"{side}most shape", f"最{SIDE_WORDS[side].zh}边的图形")
    return Words(f"What colour is the {called.en}?", f"{called.zh}是什么颜色？"), COLOUR_WORDS[shape.colour]


def _count(rng: random.Random, shapes: tuple[Thing, ...]) -> tuple[Words, Words]:
    """Of all shapes, or of those of one form."""
    kind = rng.choice((None, *KINDS))
    called = Words("shape", "图形") if kind is None else KIND_WORDS[kind]
    number = sum(kind in (None, shape.kind) for shape in shapes)
    return Words(f"How many {called.en}s are there?", f"有几个{called.zh}？"), NUMBER_WORDS.get(number, _NONE)


def _side(rng: random.Random, shapes: tuple[Thing, ...]) -> tuple[Words, Words]:
    """Of the shape at an end of the row."""
    side = rng.choice(("left", "right"))
    shape = shapes[0 if side == "left" else -1]
    called = named(shape.colour, shape.kind)
    return Words(f"On which side is the {called.en}?", f"{called.zh}在哪一边？"), SIDE_WORDS[side]


def _presence(rng: random.Random, shapes: tuple[Thing, ...]) -> tuple[Words, Words]:
    """Of a shape that is there, or of one that is not: equally often."""
    there = {(shape.colour, shape.kind) for shape in shapes}
    absent = [(colour, kind) for colour in sorted(COLOURS) for kind in KINDS if (colour, kind) not in there]
    is_there = rng.random() < 0.5
    called = named(*rng.choice(sorted(there) if is_there else absent))
    return Words(f"Is there any {called.en}?", f"图中有{called.zh}吗？"), _YES if is_there else _NO


def _order(rng: random.Random, shapes: tuple[Thing, ...]) -> tuple[Words, Words]:
    """Whether one shape is to the left of another."""
    first, second = rng.sample(range(len(shapes)), 2)
    one, other = (named(shapes[place].colour, shapes[place].kind) for place in (first, second))
    text = Words(f"Is the {one.en} to the left of the {other.en}?", f"{one.zh}在{other.zh}的左边吗？")
    return text, _YES if first < second else _NO


_KINDS_OF_QUESTIONS: dict[str, Callable[[random.Random, tuple[Thing, ...]], tuple[Words, Words]]] = {
    "colour": _colour,
    "count": _count,
    "side": _side,
    "presence": _presence,
    "order": _order,
}


if __name__ == "__main__":
    write_questions(SHIPPED_PATH, SHIPPED_COUNT)
