from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from src.config import ModelConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status
from src.errors import ConfigError, ModelUnusable
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.judged_scorer import JudgedScorer, JudgePrompt
from src.rewards.core.scorer import EditedSample, ScorerSetting, question_key
from tests.judged_edits import EDITED, REFERENCE, SOURCE, asked, edit, judged, sample


class TwoQuestions(JudgedScorer):
    """How wet and how warm (0–1) the edit is; `dry` instructions leave nothing to ask."""

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        if sample.instruction.startswith("dry"):
            return []
        wet = JudgePrompt("You judge.", f"wet? {sample.instruction}", "toy v1", ("wet",))
        warm = JudgePrompt("You judge.", f"warm? {sample.instruction}", "toy v1", ("warm", "hot"), score_range=(0, 1))
        return [wet, warm]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        return values["wet"] * values["warm"], {**values, "cold": None}


class Pictures(JudgedScorer):
    """Yes or no to the pictures that the instruction names."""

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        shows: Any = tuple(sample.instruction.split())
        return [JudgePrompt("", "the same?", "toy v1", ("same",), shows=shows, form="yes_no")]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        return 10 * values["same"], {}


GOOD = {"wet": ["Score: 6"], "warm": ['{"warm": 0.5, "hot": 0}']}


def test_values_of_all_questions_go_into_one_conclusion() -> None:
    (verdict,) = judged(TwoQuestions, GOOD).score([edit()])
    assert (verdict.status, verdict.score) == (Status.SCORED, 3.0)
    assert verdict.dimensions == {"wet": 6.0, "warm": 0.5, "hot": 0.0, "cold": None}
    assert verdict.replies == ("Score: 6", '{"warm": 0.5, "hot": 0}')
    assert (verdict.usage, verdict.seconds, verdict.model) == ({"calls": 2, "cost": 0.5}, 1.0, "scripted-0")


def test_all_questions_about_a_batch_are_asked_at_once_and_answered_in_order() -> None:
    script = {"wet? kick": ["Score: 2"], "wet? fill": ["Score: 8"], "warm": ['{"warm": 1, "hot": 0}']}
    scorer = judged(TwoQuestions, script)
    verdicts = scorer.score([edit(instruction=word) for word in ("kick", "dry it", "fill")])
    assert [verdict.score for verdict in verdicts] == [2.0, None, 8.0]
    assert verdicts[1].status is Status.NOT_APPLICABLE
    assert "TwoQuestions has nothing to ask" in str(verdicts[1].reason)
    assert [[one.text for one in call] for call in asked(scorer)] == [
        ["wet? kick", "warm? kick", "wet? fill", "warm? fill"]
    ]


@pytest.mark.parametrize(
    ("reply", "status", "reason"),
    [
        ({"refusal": "I would rather not"}, Status.REFUSED, "I would rather not"),
        ({"error": "no answer after 5 retries"}, Status.JUDGE_FAILED, "5 retries"),
        ("wet, I think", Status.UNPARSABLE, "holds no score"),
        ("boom", Status.JUDGE_FAILED, "the lights went out"),
    ],
)
def test_one_unanswered_question_leaves_the_edit_without_a_score_but_keeps_the_other_values(
    reply: Any, status: Status, reason: str
) -> None:
    (verdict,) = judged(TwoQuestions, {**GOOD, "wet": [reply]}).score([edit()])
    assert (verdict.status, verdict.score) == (status, None)
    assert reason in str(verdict.reason)
    assert verdict.dimensions == {"warm": 0.5, "hot": 0.0}
    assert verdict.replies[-1] == GOOD["warm"][0]


def test_a_failure_names_no_model_only_where_none_answered() -> None:
    script = {"wet": GOOD["wet"], "warm": [{"error": "no answer"}]}
    assert judged(TwoQuestions, script).score([edit()])[0].model == "scripted-0"
    assert judged(TwoQuestions, {"": [{"error": "no answer"}]}).score([edit()])[0].model == ""


def test_a_judge_that_can_answer_nothing_stops_the_run() -> None:
    with pytest.raises(ModelUnusable, match="wrong key"):
        judged(TwoQuestions, {"": ["unusable"]}).score([edit()])


def test_repeats_ask_every_question_so_often_and_take_the_mean() -> None:
    scorer = judged(TwoQuestions, GOOD, repeats=3)
    (verdict,) = scorer.score([edit()])
    assert verdict.score == 3.0
    assert [one.text.split("?")[0] for one in asked(scorer)[0]] == ["wet"] * 3 + ["warm"] * 3


@pytest.mark.parametrize(
    ("judge", "names", "images", "labels"),
    [
        ("ScriptedJudge", "source edited", [SOURCE, EDITED], ["before the edit", "after the edit"]),
        ("ScriptedJudge", "edited", [EDITED], ["after the edit"]),
        ("ScriptedJudge", "reference edited", [REFERENCE, EDITED], ["right result", "after the edit"]),
        ("BlindJudge", "source edited reference", [EDITED, REFERENCE], ["after the edit", "right result"]),
    ],
)
def test_a_question_shows_the_pictures_that_it_names_in_its_order(
    judge: str, names: str, images: list[Image.Image], labels: list[str]
) -> None:
    scorer = judged(Pictures, {"": ["yes"]}, judge=judge)
    (verdict,) = scorer.score([edit(instruction=names)])
    assert verdict.score == 10.0
    ((question,),) = asked(scorer)
    assert [shown.image.tobytes() for shown in question.images] == [image.tobytes() for image in images]
    assert all(label in shown.label for label, shown in zip(labels, question.images, strict=True))


def test_a_reference_that_is_missing_or_broken_costs_its_own_edit_only() -> None:
    scorer = judged(Pictures, {"": ["no"]})
    broken = LazyImage.from_bytes(b"not a picture")
    batch = [edit(instruction="reference", reference=reference) for reference in (None, broken, sample().reference)]
    verdicts = scorer.score(batch)
    assert [verdict.status for verdict in verdicts] == [Status.NOT_APPLICABLE, Status.NOT_APPLICABLE, Status.SCORED]
    assert "the sample has none" in str(verdicts[0].reason)
    assert "not a readable image" in str(verdicts[1].reason)
    assert len(asked(scorer)[0]) == 1


def test_the_key_holds_all_that_is_asked_and_the_reference_where_it_is_shown() -> None:
    scorer = judged(TwoQuestions, GOOD)
    key = question_key(scorer.question(sample()))
    assert key == question_key(scorer.question(sample(reference=None)))
    assert key != question_key(scorer.question(sample("drop it")))
    pictures = judged(Pictures, {"": ["yes"]})
    shown = [sample("edited"), sample("reference"), sample("reference", reference=sample().source)]
    shown += [sample("reference", reference=None), sample("reference", reference=LazyImage(base64_text="?"))]
    assert len({str(question_key(pictures.question(one))) for one in shown}) == len(shown)


@pytest.mark.parametrize(
    "change",
    [
        {"system": "x"},
        {"text": "x"},
        {"template": "x"},
        {"dimensions": ("x",)},
        {"shows": ("edited",)},
        {"form": "yes_no"},
        {"score_range": (0.0, 1.0)},
        {"schema": {}},
    ],
)
def test_every_field_of_an_inquiry_is_part_of_its_key(change: dict[str, Any]) -> None:
    one = JudgePrompt("You judge.", "wet?", "toy v1", ("wet",))
    assert one.key() != replace(one, **change).key()


def test_another_grammar_makes_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    one = JudgePrompt("You judge.", "wet?", "toy v1", ("wet",))
    before = one.key()
    monkeypatch.setattr("src.rewards.core.judge_prompt.GRAMMAR", "of tomorrow")
    assert one.key() != before


def test_a_judge_that_only_scores_or_none_at_all_is_a_config_error() -> None:
    plain = JudgeHandle(ModelConfig(class_path="tests.plugins.PromptJudge"))
    with pytest.raises(ConfigError, match=r"PromptJudge only scores.*CategoryScorer"):
        TwoQuestions({}, ScorerSetting(plain))
    with pytest.raises(ConfigError, match=r"reward_model\.class_path"):
        TwoQuestions()
