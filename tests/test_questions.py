"""Question files, and the miniature questions."""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.data.questions import VQAQuestion, load_questions
from src.data.sample import BadSample
from src.data.selection import Selection
from src.errors import DataError
from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS
from src.miniature.world.questions import (
    HELD_OUT_PATH,
    HELD_OUT_SEEDS,
    TRAINING_PATH,
    TRAINING_SEEDS,
    make_question,
    write_questions,
)
from src.miniature.world.render import render
from tests.conftest import png


def write(folder: Path, *items: Any) -> str:
    (folder / "a.png").write_bytes(png())
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return str(path)


def item(**changes: Any) -> dict[str, Any]:
    return {"prompt": "<image> is it red?", "answer": "yes", "images": ["a.png"]} | changes


def load(path: str, **selection: Any) -> list[VQAQuestion | BadSample]:
    return list(load_questions(path, Selection(**selection)))


def test_a_question_has_its_text_without_image_marks(tmp_path: Path) -> None:
    (found,) = load(write(tmp_path, item(id="q1", category="colour", difficulty=2)))
    assert isinstance(found, VQAQuestion)
    assert (found.question_id, found.category, found.difficulty) == ("q1", "colour", "2")
    assert (found.text, found.answer) == ("is it red?", "yes")
    assert found.images[0].read_bytes() == png()


def test_images_may_be_paths_or_data_uris(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    (found,) = load(write(tmp_path, item(prompt="same?", images=["a.png", uri])))
    assert isinstance(found, VQAQuestion)
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
    assert isinstance(good, VQAQuestion)
    assert isinstance(bad, BadSample)
    assert reason in bad.reason
    assert bad.sample_id == "question_00001"


def test_a_question_is_read_as_a_sample_is(tmp_path: Path) -> None:
    """Numbers as difficulties, and an id that only looks like the one of another item."""
    found = load(write(tmp_path, item(id="question_00001", difficulty=3.0), item(), item(difficulty=[1])))
    assert [one.question_id for one in found if isinstance(one, VQAQuestion)] == ["question_00001", "question_00001-2"]
    assert isinstance(found[0], VQAQuestion)
    assert found[0].difficulty == "3"
    assert isinstance(found[2], BadSample)
    assert "`difficulty`" in found[2].reason


def test_an_id_that_comes_twice_is_bad(tmp_path: Path) -> None:
    first, second = load(write(tmp_path, item(id="x"), item(id="x")))
    assert isinstance(first, VQAQuestion)
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
        write_questions(tmp_path / f"{name}.jsonl", range(20), language)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    found = load(str(tmp_path / "one.jsonl"))
    assert all(isinstance(question, VQAQuestion) for question in found)
    assert Counter(question.category for question in found) == dict.fromkeys(
        ("colour", "side", "place", "time", "weather"), 4
    )


@pytest.mark.parametrize(("path", "seeds"), [(TRAINING_PATH, TRAINING_SEEDS), (HELD_OUT_PATH, HELD_OUT_SEEDS)])
def test_the_shipped_questions_are_those_of_the_writer(tmp_path: Path, path: Path, seeds: range) -> None:
    write_questions(tmp_path / "questions.jsonl", seeds)
    assert path.read_bytes() == (tmp_path / "questions.jsonl").read_bytes()


def test_no_shipped_picture_is_in_both_files() -> None:
    pictures = [{line["images"][0] for line in map(json.loads, path.open())} for path in (TRAINING_PATH, HELD_OUT_PATH)]
    assert not pictures[0] & pictures[1]


def test_the_answer_is_what_the_picture_shows() -> None:
    shown = {
        "colour": lambda scene: COLOUR_WORDS[scene.things[0].colour].en,
        "side": lambda scene: "left" if scene.things[0].x < 32 else "right",
        "place": lambda scene: {"sand": "beach"}.get(scene.backdrop, scene.backdrop),
        "time": lambda scene: scene.time,
        "weather": lambda scene: scene.weather,
    }
    for seed in range(200):
        question = make_question(seed)
        assert question.answer.en == shown[question.kind](question.scene)


def test_the_colour_of_a_ball_is_in_the_picture_by_day() -> None:
    balls = [
        question
        for seed in range(0, 2000, 5)
        if (question := make_question(seed)).scene.things[0].kind == "ball"
        and (question.scene.time, question.scene.weather) == ("day", "clear")
        and question.scene.backdrop != "lake"  # whose water mirrors what stands in it
    ]
    assert balls
    for question in balls:
        (ball,) = question.scene.things
        pixel = render(question.scene)[int(ball.y - ball.size / 2), int(ball.x)]
        assert np.abs(pixel.astype(int) - COLOURS[ball.colour]).max() < 40


def test_every_answer_of_a_kind_is_right_for_a_fair_share_of_questions() -> None:
    answers: dict[str, Counter[str]] = {}
    for seed in range(2000):
        question = make_question(seed)
        answers.setdefault(question.kind, Counter())[question.answer.en] += 1
    assert {kind: len(found) for kind, found in answers.items()} == {
        "colour": 4,
        "side": 2,
        "place": 4,
        "time": 3,
        "weather": 3,
    }
    assert all(count > 30 for found in answers.values() for count in found.values())


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "a\x1b[2Jb", "a\u202eb", "x" * 300])
@pytest.mark.parametrize("field", ["category", "id"])
def test_a_name_that_no_table_or_file_can_hold_makes_a_bad_question(tmp_path: Path, field: str, text: str) -> None:
    bad, good = load(write(tmp_path, item(**{field: text}), item()))
    assert isinstance(bad, BadSample)
    assert f"`{field}`" in bad.reason
    assert isinstance(good, VQAQuestion)


def test_halves_of_surrogate_pairs_are_replaced_in_every_text_of_a_question(tmp_path: Path) -> None:
    fields = ("prompt", "answer", "category", "id", "difficulty")
    (found,) = load(write(tmp_path, item(**dict.fromkeys(fields, "a\ud800b"))))
    assert isinstance(found, VQAQuestion)
    assert (found.text, found.answer, found.category) == ("a?b", "a?b", "a?b")
    assert (found.question_id, found.difficulty) == ("a?b", "a?b")
