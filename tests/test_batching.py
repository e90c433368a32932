"""One list of requests through one editor: what is edited together, what fails alone, and what the editor may touch."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from src.data.sample import MAX_INSTRUCTION
from src.errors import ModelUnusable
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure, EditRequest, edit_each, edit_together


class Painter(BaseDiffusionModel):
    """Paints over its argument; knows how often it was called with how many pictures."""

    def _initialize(self) -> None:
        self.calls: list[int] = []
        self.told: list[tuple[int, str]] = []

    def _paint(self, image: Image.Image, instruction: str) -> Any:
        if instruction == "raise":
            raise RuntimeError("out of paint")
        if instruction == "give up":
            raise ModelUnusable("the key is wrong")
        if instruction == "close":
            image.close()
            return image
        if instruction == "exit":
            sys.exit(3)
        if instruction == "nothing":
            return None
        image.paste((0, 0, 0), (0, 0, *image.size))
        return image

    def edit_image(  # type: ignore[override]
        self, original_image: Image.Image, edit_instruction: str, seed: int, sample_id: str
    ) -> Any:
        self.calls.append(1)
        self.told.append((seed, sample_id))
        return self._paint(original_image, edit_instruction)

    def batch_edit(  # type: ignore[override]
        self, images: list[Image.Image], instructions: list[str], seeds: list[int]
    ) -> Any:
        self.calls.append(len(images))
        self.told += [(seed, "") for seed in seeds]
        edited = [self._paint(image, text) for image, text in zip(images, instructions, strict=True)]
        return edited[1:] if "lose one" in instructions else edited


SOURCE = Image.new("RGB", (8, 8), (250, 0, 0))


def requests(*instructions: str) -> list[EditRequest]:
    return [EditRequest(SOURCE, text, seed, f"s{seed}") for seed, text in enumerate(instructions)]


def colours(results: list[Image.Image | EditFailure]) -> list[Any]:
    return [one.reason if isinstance(one, EditFailure) else one.getpixel((0, 0)) for one in results]


def test_several_requests_are_one_call_and_the_source_stays_as_it_was() -> None:
    editor = Painter()
    assert colours(edit_each(editor, requests("a", "b", "c"))) == [(0, 0, 0)] * 3
    assert editor.calls == [3]
    assert editor.told == [(0, ""), (1, ""), (2, "")]  # what the method names in its signature, and nothing else
    assert SOURCE.getpixel((0, 0)) == (250, 0, 0)


def test_a_single_request_is_no_batch() -> None:
    editor = Painter()
    assert colours(edit_each(editor, requests("a"))) == [(0, 0, 0)]
    assert (editor.calls, editor.told) == ([1], [(0, "s0")])
    assert edit_each(editor, []) == []


def test_a_batch_that_fails_is_tried_one_by_one_and_only_the_culprit_is_lost() -> None:
    editor = Painter()
    assert colours(edit_each(editor, requests("a", "raise", "c"))) == [
        (0, 0, 0),
        "RuntimeError: out of paint",
        (0, 0, 0),
    ]
    assert editor.calls == [3, 1, 1, 1]


def test_a_batch_of_another_length_is_a_failed_batch() -> None:
    editor = Painter()
    assert colours(edit_each(editor, requests("a", "lose one"))) == [(0, 0, 0)] * 2
    assert editor.calls == [2, 1, 1]


def test_what_is_no_image_fails_alone_without_another_call() -> None:
    editor = Painter()
    assert colours(edit_each(editor, requests("a", "nothing"))) == [
        (0, 0, 0),
        "the editor returned NoneType instead of an image",
    ]
    assert editor.calls == [2]


def test_an_instruction_above_the_limit_reaches_no_editor() -> None:
    editor = Painter()
    found = colours(edit_each(editor, requests("a", "x" * (MAX_INSTRUCTION + 1))))
    assert found == [(0, 0, 0), "the instruction has 20,001 characters, above the limit of 20,000"]
    assert editor.calls == [1]


@pytest.mark.parametrize("instructions", [["give up"], ["a", "give up"]])
def test_an_editor_that_can_serve_nothing_says_so_to_the_caller(instructions: list[str]) -> None:
    with pytest.raises(ModelUnusable, match="the key is wrong"):
        edit_each(Painter(), requests(*instructions))


def test_editing_together_raises_what_the_editor_raises() -> None:
    with pytest.raises(RuntimeError, match="out of paint"):
        edit_together(Painter(), requests("a", "raise"))
    with pytest.raises(TypeError, match="a list of 2 images"):
        edit_together(Painter(), requests("a", "lose one"))


def test_a_plug_in_that_ends_its_thread_or_closes_its_picture_has_failed_like_any_other() -> None:
    asked = [requests("exit"), requests("close"), requests("paint", "exit", "close")]
    with ThreadPoolExecutor(1) as thread:
        found = list(thread.map(lambda one: edit_each(Painter({}), one), asked))
    closed = "ValueError: Operation on closed image"
    assert [colours(one) for one in found] == [["SystemExit: 3"], [closed], [(0, 0, 0), "SystemExit: 3", closed]]


def test_in_the_main_thread_the_end_of_the_command_is_no_failure_of_an_editor() -> None:
    with pytest.raises(SystemExit):
        edit_each(Painter({}), requests("exit"))
