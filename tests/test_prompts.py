from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.data.categories import ENGLISH
from src.errors import ConfigError
from src.models.vlm import prompts
from src.models.vlm.grammar.parsing import UnparsableReply, parse_score
from src.models.vlm.prompts import PROMPTS_FOLDER, Language, load_prompt

CASES = [(name, language) for name in ENGLISH.values() for language in ("en", "zh")]
VALUES = {"original_description": "a red cup", "edit_instruction": "tip {{ it }} over", "rationale": "tea runs out"}
NO_REFERENCE = {"reference": False}


@pytest.mark.parametrize(("name", "language"), CASES)
def test_every_category_has_a_rubric_of_five_criteria(name: str, language: Language) -> None:
    system, user = load_prompt("category", name, language).render(**VALUES, **NO_REFERENCE)
    criteria = system.split("\n\n")[1]
    assert len(re.findall(r"^- ", criteria, re.MULTILINE)) == 5
    assert all(value in user for value in VALUES.values())
    assert not any(value in system for value in VALUES.values())  # the same for every sample, so that servers reuse it
    assert bool(re.search(r"[\u4e00-\u9fff]", system + user)) == (language == "zh")


@pytest.mark.parametrize(("name", "language"), CASES)
def test_rationale_and_description_leave_no_trace_where_there_is_none(name: str, language: Language) -> None:
    _, user = load_prompt("category", name, language).render(
        original_description="", edit_instruction="tip it over", rationale=None, reference=False
    )
    assert "None" not in user
    assert len([line for line in user.splitlines() if line]) == 4


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_answer_that_a_rubric_asks_for_can_be_read(language: Language) -> None:
    _, user = load_prompt("category", "physical", language).render(**VALUES, **NO_REFERENCE)
    line = next(line for line in user.splitlines() if line.endswith("X"))
    assert parse_score("The cup lies still.\n" + line.replace("X", "7.5")) == 7.5
    with pytest.raises(UnparsableReply):
        parse_score(line)


def test_the_hash_covers_the_frame_that_a_rubric_extends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(frame: str) -> str:
        folder = tmp_path / frame
        (folder / "toy").mkdir(parents=True)
        (folder / "toy/frame.en.j2").write_text(f"{{# toy/frame v1 #}}\n{frame}")
        (folder / "toy/rubric.en.j2").write_text('{# toy/rubric v3 #}\n{% extends "toy/frame.en.j2" %}')
        monkeypatch.setattr(prompts, "PROMPTS_FOLDER", folder)
        load_prompt.cache_clear()
        prompts._environment.cache_clear()
        prompt = load_prompt("toy", "rubric", "en")
        assert prompt.version == "toy/rubric v3"
        assert prompt.render() == (frame, frame)
        return prompt.sha256

    try:
        assert digest("one") != digest("two")
    finally:
        load_prompt.cache_clear()
        prompts._environment.cache_clear()


def test_an_unknown_prompt_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no prompt category/magical\.en\.j2.*category/physical\.en\.j2"):
        load_prompt("category", "magical", "en")


def test_every_prompt_file_begins_with_its_name_and_version() -> None:
    for file in PROMPTS_FOLDER.rglob("*.j2"):
        name = file.relative_to(PROMPTS_FOLDER).as_posix().split(".")[0]
        assert re.match(rf"\{{# {name} v[0-9]+ #\}}\n", file.read_text(encoding="utf-8")), file
