"""Training on questions, on TRL's terms but without a policy."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.data.sample import BadSample
from src.data.selection import Selection
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, ModelUnusable
from src.miniature.world.questions import write_questions
from src.rewards.core.scorer import Completion, CompletionScorer
from src.training.config import TrainingConfig, parse_training_config
from src.training.dataset import ImageStore
from src.training.grpo.answer_rewards import AnswerRewards
from src.training.grpo.early_stop import TrainingStopped
from src.training.grpo.reward_function import RewardSetting
from src.training.tasks.base import Example, UnparsableCompletion
from src.training.tasks.vqa import VQATask
from tests.conftest import png

REWARD = "src.rewards.scorers.vqa.VQAScorer"


class BrokenScorer(CompletionScorer):
    """Fails."""

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        raise RuntimeError("no dictionary")

    def __init__(self, params: Any = None) -> None: ...


def config(folder: Path, **sections: Any) -> TrainingConfig:
    data = {
        "policy": {"model": "nowhere"},
        "task": {"class_path": "src.training.tasks.vqa.VQATask"},
        "data": {"train": str(folder / "questions.jsonl")},
        "scorer": {"class_path": REWARD},
        "training": {"output_dir": str(folder / "out"), "show_every": 0, "patience": 0},
    }
    return parse_training_config({**data, **sections}, "test")


def examples(task: VQATask, folder: Path, count: int = 10) -> list[Example]:
    write_questions(folder / "questions.jsonl", range(count))
    store = ImageStore(folder / "images")
    found = list(task.examples(str(folder / "questions.jsonl"), Selection(), store.keep))
    assert all(isinstance(one, Example) for one in found)
    return found  # type: ignore[return-value]


def rewards(folder: Path, task: VQATask | None = None, **sections: Any) -> AnswerRewards:
    return AnswerRewards(task or VQATask(), RewardSetting(config(folder, **sections)))


def call(function: AnswerRewards, asked: list[Example], texts: list[str], metrics: dict[str, float]) -> list[Any]:
    return function(
        completions=[[{"role": "assistant", "content": text}] for text in texts],
        example_id=[example.example_id for example in asked],
        trainer_state=SimpleNamespace(global_step=0),
        log_metric=metrics.__setitem__,
        log_extra=lambda name, values: None,
    )


def reply(answer: str) -> str:
    return f"<think>I look.</think>\n<answer>{answer}</answer>"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_example_shows_the_image_and_asks_the_question(tmp_path: Path, language: Any) -> None:
    example = examples(VQATask({}, language), tmp_path)[0]
    assert example.request in example.user
    assert "<answer>" in example.system
    assert example.images[0].decode().size == (64, 64)
    assert example.subject.answer


def test_a_question_whose_image_is_no_image_is_bad(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(b"nothing")
    lines = [{"prompt": "red?", "answer": "yes", "images": [name]} for name in ("a.png", "b.png", "c.png")]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = list(VQATask().examples(str(path), Selection(), ImageStore(tmp_path / "images").keep))
    assert [type(one) for one in found] == [Example, BadSample, BadSample]


def test_the_answer_is_read_from_its_tag() -> None:
    assert VQATask().read(reply("two")) == "two"
    assert VQATask({"prompt": "answer"}).read(" two\n") == "two"


@pytest.mark.parametrize(
    "text", ["two", "<answer>two</answer>", reply("two") + "!", "<think>x</think><answer></answer>"]
)
def test_a_completion_without_the_form_is_unreadable(text: str) -> None:
    with pytest.raises(UnparsableCompletion):
        VQATask().read(text)
    with pytest.raises(UnparsableCompletion):
        VQATask({"prompt": "answer"}).read(" ")


def test_right_answers_are_rewarded_and_each_completion_gets_its_own_reward(tmp_path: Path) -> None:
    task = VQATask()
    asked = examples(task, tmp_path)
    function = rewards(tmp_path, task)
    function.load()
    function.add_examples(asked)
    metrics: dict[str, float] = {}
    texts = [reply(one.subject.answer if place % 2 else "nonsense") for place, one in enumerate(asked)]
    texts[0] = "no form"
    assert call(function, asked, texts, metrics) == [0.0 if place % 2 == 0 else 10.0 for place in range(10)]
    assert metrics["completions/unparsable"] == 0.1
    assert metrics["dimensions/format"] == 10.0
    function.close()


class MiscountingScorer(BrokenScorer):
    """Forgets a text."""

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        return [Verdict(Status.SCORED, 5.0)] * (len(batch) - 1)


class UnusableScorer(BrokenScorer):
    """Can serve nothing."""

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        raise ModelUnusable("the dictionary is locked")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Broken", "no dictionary"),
        ("Miscounting", "1 verdicts about 2 samples"),
        ("Unusable", "^the dictionary is locked"),
    ],
)
def test_a_failure_of_a_scorer_of_texts_is_logged_with_its_examples_unless_it_can_serve_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, message: str
) -> None:
    task = VQATask()
    asked = examples(task, tmp_path, 2)
    function = rewards(tmp_path, task, scorer={"class_path": f"tests.test_vqa_task.{name}Scorer"})
    function.load()
    function.add_examples(asked)
    with pytest.raises(TrainingStopped, match=message):
        call(function, asked, [reply("a"), reply("b")], {})
    function.close()
    logged = f"the scorer failed on {asked[0].example_id}, {asked[1].example_id}" in caplog.text
    assert logged is (name != "Unusable")


def test_a_scorer_that_fails_masks_and_then_stops_the_run(tmp_path: Path) -> None:
    task = VQATask()
    asked = examples(task, tmp_path, 2)
    function = rewards(tmp_path, task, scorer={"class_path": "tests.test_vqa_task.BrokenScorer"})
    function.load()
    function.add_examples(asked)
    with pytest.raises(TrainingStopped, match="no dictionary"):
        call(function, asked, [reply("a"), reply("b")], {})
    function.close()


@pytest.mark.parametrize(
    ("prompt", "style"), [("think_answer", "plain"), ("answer", "think_answer")], ids=["tags unread", "tags unasked"]
)
def test_a_prompt_and_a_reward_that_disagree_are_refused_before_anything_loads(
    tmp_path: Path, prompt: str, style: str
) -> None:
    scorer = {"class_path": REWARD, "params": {"style": style}}
    with pytest.raises(ConfigError):
        rewards(tmp_path, VQATask({"prompt": prompt}), scorer=scorer)
    assert rewards(tmp_path, VQATask({"prompt": "answer"}), scorer={"class_path": REWARD, "params": {"style": "plain"}})


def test_a_scorer_of_edits_cannot_reward_answers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CompletionScorer"):
        rewards(tmp_path, scorer={"class_path": "src.rewards.scorers.category.CategoryScorer"})


def test_without_a_scorer_the_message_names_one(tmp_path: Path) -> None:
    data = config(tmp_path).model_dump(mode="json", exclude_unset=True)
    del data["scorer"]
    setting = RewardSetting(parse_training_config(data, "test"))
    with pytest.raises(ConfigError, match=REWARD):
        VQATask().rewards(setting)
