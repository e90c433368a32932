"""Question files, and the miniature questions."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.data.questions import Question, load_questions
from src.data.sample import BadSample
from src.data.selection import Selection
from src.errors import DataError
from src.miniature.palette import COLOURS
from src.miniature.phrasing import COLOUR_WORDS, KIND_WORDS
from src.miniature.questions import SHIPPED_COUNT, SHIPPED_PATH, make_question, write_questions
from src.miniature.render import render
from tests.conftest import png


def write(folder: Path, *items: Any) -> str:
    (folder / "a.png").write_bytes(png())
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return str(path)


def item(**changes: Any) -> dict[str, Any]:
    return {"prompt": "<image> is it red?", "answer": "yes", "images": ["a.png"]} | changes


def load(path: str, **selection: Any) -> list[Question | BadSample]:
    return list(load_questions(path, Selection(**selection)))


def test_a_question_has_its_text_without_image_marks(tmp_path: Path) -> None:
    (found,) = load(write(tmp_path, item(id="q1", category="colour", difficulty=2)))
    assert isinstance(found, Question)
    assert (found.question_id, found.category, found.difficulty) == ("q1", "colour", "2")
    assert (found.text, found.answer) == ("is it red?", "yes")
    assert found.images[0].read_bytes() == png()


def test_images_may_be_paths_or_data_uris(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    (found,) = load(write(tmp_path, item(prompt="same?", images=["a.png", uri])))
    assert isinstance(found, Question)
    assert [image.read_bytes() for image in found.images] == [png(), png()]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"prompt": "<image>"}, "`prompt`"),
        ({"answer": None}, "`answer`"),
        ({"images": []}, "`images`"),
        ({"images": "a.png"}, "`images`"),
        ({"images": [3]}, "neither a path nor bytes"),
        ({"images": ["a.png", "a.png"]}, "1 × <image> for 2 images"),
        ({"images": ["../a.png"]}, "leads out"),
        ({"images": ["/a.png"]}, "leads out"),
    ],
)
def test_a_malformed_item_is_a_bad_one_with_its_reason(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    good, bad = load(write(tmp_path, item(), item(**changes)))
    assert isinstance(good, Question)
    assert isinstance(bad, BadSample)
    assert reason in bad.reason
    assert bad.sample_id == "question_00001"


def test_an_id_that_comes_twice_is_bad(tmp_path: Path) -> None:
    first, second = load(write(tmp_path, item(id="x"), item(id="x")))
    assert isinstance(first, Question)
    assert isinstance(second, BadSample)


def test_categories_and_limits_select_questions(tmp_path: Path) -> None:
    path = write(tmp_path, *(item(category=name) for name in "abab"))
    assert [found.index for found in load(path, categories=("b",))] == [1, 3]
    assert [found.index for found in load(path, limit=3)] == [0, 1, 2]
    with pytest.raises(DataError, match="matches category in c"):
        load(path, categories=("c",))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_miniature_questions_are_read_back_and_are_the_same_every_time(tmp_path: Path, language: str) -> None:
    for name in ("one", "two"):
        write_questions(tmp_path / f"{name}.jsonl", 20, language)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    found = load(str(tmp_path / "one.jsonl"))
    assert all(isinstance(question, Question) for question in found)
    assert Counter(question.category for question in found) == dict.fromkeys(
        ("colour", "count", "side", "presence", "order"), 4
    )


def test_the_shipped_questions_are_those_of_the_writer(tmp_path: Path) -> None:
    write_questions(tmp_path / "questions.jsonl", SHIPPED_COUNT)
    assert SHIPPED_PATH.read_bytes() == (tmp_path / "questions.jsonl").read_bytes()


def test_the_colour_that_is_the_answer_is_the_colour_in_the_picture() -> None:
    names = {kind: KIND_WORDS[kind].en for kind in ("circle", "square", "triangle")}
    for seed in range(0, 200, 5):
        question = make_question(seed)
        pixels = render(question.scene)
        (colour,) = [name for name, words in COLOUR_WORDS.items() if words == question.answer]
        asked = [thing for thing in question.scene.things if names[thing.kind] in question.text.en]
        shape = asked[0] if asked else question.scene.things[0 if "leftmost" in question.text.en else -1]
        assert np.abs(pixels[int(shape.y), int(shape.x)].astype(int) - COLOURS[colour]).max() < 12


def test_yes_and_no_are_about_equally_often_right() -> None:
    answers = Counter(make_question(seed).answer.en for seed in range(1000) if seed % 5 in (3, 4))
    assert set(answers) == {"yes", "no"}
    assert abs(answers["yes"] - answers["no"]) < 60
