"""The prompts of the judged protocols, as their scorers ask them."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from src.models.vlm.grammar.parsing import UnparsableReply
from src.models.vlm.grammar.parsing_several import scores_schema
from src.models.vlm.prompts import PROMPTS_FOLDER, Language
from src.rewards.core.judged_scorer import JudgedScorer, JudgePrompt
from src.rewards.core.scorer import question_key
from src.rewards.scorers.alignment_quality import AlignmentQualityScorer
from src.rewards.scorers.ground_truth import GroundTruthScorer
from src.rewards.scorers.six_dimension import SixDimensionScorer
from src.rewards.scorers.vie import VIEScorer
from tests.judged_edits import judged, prompts_in, sample

SCORERS = (SixDimensionScorer, VIEScorer, GroundTruthScorer, AlignmentQualityScorer)
LANGUAGES: tuple[Language, ...] = ("en", "zh")


def judge_prompts(scorer_class: type[JudgedScorer], language: Language) -> list[JudgePrompt]:
    asked = judged(scorer_class, {}, language=language).judge_prompts(sample())
    if scorer_class is SixDimensionScorer:
        asked += judged(scorer_class, {}, language=language, calls="one").judge_prompts(sample())
    return asked


def values_read(judge_prompt: JudgePrompt, reply: str) -> dict[str, float]:
    return dict(judge_prompt.request(()).parse(reply))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer_class", SCORERS)
def test_every_question_tells_the_task_in_the_language_of_the_run(
    scorer_class: type[JudgedScorer], language: Language
) -> None:
    for judge_prompt in judge_prompts(scorer_class, language):
        assert all(told in judge_prompt.text for told in ("a red cup", "tip it over", "tea runs out"))
        assert "tip it over" not in judge_prompt.system
        assert bool(re.search(r"[\u4e00-\u9fff]", judge_prompt.system)) == (language == "zh")
        assert bool(re.search(r"[\u4e00-\u9fff]", judge_prompt.text)) == (language == "zh")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer_class", SCORERS)
def test_every_question_names_what_it_wants_a_value_for(scorer_class: type[JudgedScorer], language: Language) -> None:
    for judge_prompt in judge_prompts(scorer_class, language):
        if len(judge_prompt.dimensions) > 1:
            assert all(re.search(rf"^- {name}\b", judge_prompt.text, re.MULTILINE) for name in judge_prompt.dimensions)
            assert judge_prompt.schema == scores_schema(judge_prompt.dimensions)
        else:
            assert judge_prompt.schema is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer_class", SCORERS)
def test_the_answer_that_a_question_asks_for_can_be_read_and_its_pattern_cannot(
    scorer_class: type[JudgedScorer], language: Language
) -> None:
    for judge_prompt in judge_prompts(scorer_class, language):
        pattern = next(line for line in judge_prompt.text.splitlines() if re.search(r"[:：]\s?X(\}|$)", line))
        assert values_read(judge_prompt, re.sub(r"\bX\b", "7.5", pattern)) == dict.fromkeys(
            judge_prompt.dimensions, 7.5
        )
        with pytest.raises(UnparsableReply):
            values_read(judge_prompt, pattern)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer_class", SCORERS)
def test_the_system_prompt_is_the_same_for_every_question_and_sample(
    scorer_class: type[JudgedScorer], language: Language
) -> None:
    other = judged(scorer_class, {}, language=language).judge_prompts(sample("drop it", rationale=None))
    assert len({one.system for one in [*judge_prompts(scorer_class, language), *other]}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer_class", SCORERS)
def test_rationale_and_description_leave_no_trace_where_there_is_none(
    scorer_class: type[JudgedScorer], language: Language
) -> None:
    bare = replace(sample(rationale=None), description="")
    for judge_prompt in judged(scorer_class, {}, language=language).judge_prompts(bare):
        assert "None" not in judge_prompt.text
        assert "tip it over" in judge_prompt.text.splitlines()[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scorer_class", SCORERS)
def test_the_versions_are_those_of_all_prompts_that_are_asked(
    scorer_class: type[JudgedScorer], language: Language
) -> None:
    versions = judged(scorer_class, {}, language=language).prompt_versions()
    asked = {judge_prompt.template for judge_prompt in judge_prompts(scorer_class, language)}
    assert {f"{version} {sha256}" for version, sha256 in versions.items()} == asked
    files = {file.name.split(".")[0] for file in (PROMPTS_FOLDER / scorer_class.FOLDER).glob(f"*.{language}.j2")}
    assert files == set(scorer_class.PROMPTS)


def test_a_changed_word_in_the_shared_frame_changes_every_key(tmp_path: Path) -> None:
    scorers = [judged(scorer_class, {}) for scorer_class in SCORERS]
    before = [question_key(scorer.question(sample())) for scorer in scorers]
    folder = shutil.copytree(PROMPTS_FOLDER, tmp_path / "prompts")
    frame = folder / "shared/frame.en.j2"
    frame.write_text(
        frame.read_text("utf-8").replace("Judge what you are asked", "Judge all that you are asked"), "utf-8"
    )
    with prompts_in(folder):
        after = [question_key(scorer.question(sample())) for scorer in scorers]
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_what_a_sample_says_is_never_read_as_a_template() -> None:
    (judge_prompt,) = judged(GroundTruthScorer, {}).judge_prompts(sample("tip {{ it }} {% over"))
    assert "tip {{ it }} {% over" in judge_prompt.text
