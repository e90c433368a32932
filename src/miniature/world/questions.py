"""Questions about miniature pictures whose answers follow exactly from the scene.

Run `python -m src.miniature.world.questions` to re-create `assets/miniature/questions.jsonl` and its held-out twin.
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

from src.command_line import only_help
from src.miniature.world.phrasing import COLOUR_WORDS, KIND_WORDS, SIDE_WORDS, Words
from src.miniature.world.render import render
from src.miniature.world.scene import SIZE, Backdrop, Scene, Side, Thing, Time, Weather

TRAINING_PATH = Path("assets/miniature/questions.jsonl")
TRAINING_SEEDS = range(400)
HELD_OUT_PATH = Path("assets/miniature/questions_held_out.jsonl")
HELD_OUT_SEEDS = range(400_000, 400_200)
THINGS = ("house", "car", "ball", "box")
_COLOURS = ("red", "yellow", "blue", "white")
_PLACES: tuple[Backdrop, ...] = ("meadow", "sand", "lake", "street")
_TIMES: tuple[Time, ...] = ("day", "night", "sunset")
_WEATHERS: tuple[Weather, ...] = ("clear", "rain", "snow")
_ANSWERS = {
    "meadow": Words("meadow", "草地"),
    "sand": Words("beach", "沙滩"),
    "lake": Words("lake", "湖"),
    "street": Words("street", "街道"),
    "day": Words("day", "白天"),
    "night": Words("night", "夜晚"),
    "sunset": Words("sunset", "日落"),
    "clear": Words("clear", "晴"),
    "rain": Words("rain", "雨"),
    "snow": Words("snow", "雪"),
}


@dataclass(frozen=True)
class MiniatureQuestion:
    """A scene with one thing in it, a question about it and the only right answer, in both languages."""

    scene: Scene
    kind: str
    """`colour`, `side`, `place`, `time` or `weather`."""
    text: Words
    answer: Words


def make_question(seed: int) -> MiniatureQuestion:
    """One question; the same seed gives the same one on every machine, and kinds take turns."""
    rng = random.Random(f"question {seed}")
    name = list(_KINDS_OF_QUESTIONS)[seed % len(_KINDS_OF_QUESTIONS)]
    scene = _scene(rng)
    text, answer = _KINDS_OF_QUESTIONS[name](scene)
    return MiniatureQuestion(scene, name, text, answer)


def write_questions(path: Path, seeds: range, language: str = "en") -> None:
    """Writes `{prompt, answer, images}` lines that `load_questions` reads; the pictures are part of the lines.

    Args:
        path: A `.jsonl` file; its folder is made.
        seeds: One a question.
        language: `en` or `zh`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for item in _items(seeds, language):
            file.write(json.dumps(item, ensure_ascii=False) + "\n")


def _items(seeds: range, language: str) -> Iterator[dict[str, object]]:
    for seed in seeds:
        question = make_question(seed)
        picture = base64.b64encode(_png(question.scene)).decode("ascii")
        yield {
            "id": f"miniature_{seed:06d}",
            "category": question.kind,
            "prompt": f"<image> {getattr(question.text, language)}",
            "answer": getattr(question.answer, language),
            "images": [f"data:image/png;base64,{picture}"],
        }


def _png(scene: Scene) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(render(scene)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _scene(rng: random.Random) -> Scene:
    """A place outdoors in any light and weather, with one thing on its left or right."""
    x = rng.choice((0.25, 0.75)) * SIZE + rng.uniform(-8, 8)
    thing = Thing(rng.choice(THINGS), rng.choice(_COLOURS), x, rng.uniform(52, 60), rng.uniform(22, 28))
    weather = rng.choice(_WEATHERS)
    time = rng.choice(_TIMES if weather == "clear" else ("day", "night"))  # clouds hide a sunset
    sun: Side = rng.choice(("left", "right"))
    return Scene(rng.choice(_PLACES), (thing,), time=time, weather=weather, sun=sun, cloud=rng.randrange(12, 52))


def _colour(scene: Scene) -> tuple[Words, Words]:
    (thing,) = scene.things
    called = KIND_WORDS[thing.kind]
    return Words(f"What colour is the {called.en}?", f"{called.zh}是什么颜色？"), COLOUR_WORDS[thing.colour]


def _side(scene: Scene) -> tuple[Words, Words]:
    (thing,) = scene.things
    called = KIND_WORDS[thing.kind]
    side = SIDE_WORDS["left" if thing.x < SIZE / 2 else "right"]
    return Words(f"On which side is the {called.en}?", f"{called.zh}在哪一边？"), side


def _place(scene: Scene) -> tuple[Words, Words]:
    return Words("Where is this?", "这是什么地方？"), _ANSWERS[scene.backdrop]


def _time(scene: Scene) -> tuple[Words, Words]:
    return Words("Which time of day is it?", "现在是什么时候？"), _ANSWERS[scene.time]


def _weather(scene: Scene) -> tuple[Words, Words]:
    return Words("What is the weather?", "天气怎么样？"), _ANSWERS[scene.weather]


_KINDS_OF_QUESTIONS: dict[str, Callable[[Scene], tuple[Words, Words]]] = {
    "colour": _colour,
    "side": _side,
    "place": _place,
    "time": _time,
    "weather": _weather,
}


if __name__ == "__main__":
    only_help(__doc__)
    write_questions(TRAINING_PATH, TRAINING_SEEDS)
    write_questions(HELD_OUT_PATH, HELD_OUT_SEEDS)
