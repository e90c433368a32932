"""Held-out questions before and after training, with real policies of a hundred thousand parameters."""

from __future__ import annotations

import json
import logging
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from src.data.selection import Selection
from src.miniature.world.questions import make_question, write_questions
from src.rewards.core.scorer import Completion
from src.training.config import TrainingConfig, parse_training_config
from src.training.dataset import ImageStore
from src.training.held_out.answers import compare_answers
from src.training.held_out.gain import Gain
from src.training.tasks.example import Example
from src.training.tasks.vqa import VQATask
from src.training.text_scorers import text_scorers
from src.training.train import train
from tests.tiny_policies import PARROT, parrot_folder, policy_folder

__all__ = ["parrot_folder", "policy_folder"]


def config(folder: Path, policy: Path, **sections: Any) -> TrainingConfig:
    write_questions(folder / "questions.jsonl", range(12))
    data = {
        "policy": {"model": str(policy)},
        "task": {"class_path": "src.training.tasks.vqa.VQATask"},
        "data": {"train": str(folder / "questions.jsonl"), "held_out": 0.5},
        "scorer": {"class_path": "src.rewards.scorers.format.FormatScorer", "params": {"style": "rewrite"}},
        "training": {"output_dir": str(folder / "run"), "show_every": 0},
        "evaluation": {"batch_size": 4},
    }
    return parse_training_config({**data, **sections}, "test")


def compare(run: TrainingConfig, folder: Path) -> list[Gain]:
    examples = VQATask().examples(str(folder / "questions.jsonl"), Selection(), ImageStore(folder / "images").keep)
    asked = [one for one in examples if isinstance(one, Example)]
    return compare_answers(run, text_scorers(run), asked, max_new_tokens=8)


@pytest.fixture
def finished(tmp_path: Path, policy_folder: Path, parrot_folder: Path) -> TrainingConfig:
    """A run whose training made a policy that says anything into one that keeps the form."""
    run = config(tmp_path, policy_folder)
    shutil.copytree(parrot_folder, run.training.policy_folder)
    return run


def test_the_gain_is_what_the_scorer_finds_in_the_answers_of_both_policies(
    finished: TrainingConfig, tmp_path: Path
) -> None:
    (gain,) = compare(finished, tmp_path)
    assert (gain.scorer, gain.samples, gain.coverage) == ("FormatScorer", 12, 1.0)
    lines = [json.loads(line) for line in (tmp_path / "run/evaluation/answers.jsonl").read_text().splitlines()]
    asked = [make_question(seed) for seed in range(12)]
    assert [(line["question"], line["answer"]) for line in lines] == [(one.text.en, one.answer.en) for one in asked]
    assert any(line["after"]["completion"].startswith(PARROT) for line in lines)
    assert not any(line["before"]["completion"].startswith(PARROT) for line in lines)
    (scorer,) = text_scorers(finished)
    said = [Completion(line[name]["completion"]) for name in ("before", "after") for line in lines]
    scores = [verdict.score for verdict in scorer.score_completions(said)]
    assert [line[name]["score"] for name in ("before", "after") for line in lines] == scores
    assert (gain.before, gain.after) == (statistics.fmean(scores[:12]), statistics.fmean(scores[12:]))
    assert gain.after > gain.before


def test_answers_that_are_kept_are_not_asked_for_again(
    finished: TrainingConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "src.training.held_out.answers")
    first = compare(finished, tmp_path)
    kept = tmp_path / "run/evaluation/after_answers.jsonl"
    lines = kept.read_text(encoding="utf-8").split("\n")[1:]
    kept.write_text("\n".join([*lines[:9], lines[9][:7]]), encoding="utf-8")  # killed while writing the tenth
    for asked in ([["3", "held-out", "questions"]], []):
        caplog.clear()
        assert compare(finished, tmp_path) == first
        assert [record.getMessage().split()[-3:] for record in caplog.records] == asked


def test_a_policy_that_fails_on_a_question_has_no_score_for_it(
    finished: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src.models.vlm.transformers_model import TransformersModel

    generate = TransformersModel._generate

    def fails_on_weather(self: Any, asked: Any) -> Any:
        if any("weather" in question.text for question, _ in asked):
            raise RuntimeError("lost power")
        return generate(self, asked)

    monkeypatch.setattr(TransformersModel, "_generate", fails_on_weather)
    (gain,) = compare(finished, tmp_path)
    assert (gain.samples, gain.coverage) == (10, 10 / 12)


def test_training_on_questions_ends_with_the_comparison(tmp_path: Path, policy_folder: Path) -> None:
    grpo = {
        "max_steps": 1,
        "per_device_train_batch_size": 4,
        "num_generations": 2,
        "max_completion_length": 4,
        "report_to": "none",
        "gradient_checkpointing": False,
    }
    run = config(
        tmp_path,
        policy_folder,
        scorer={"class_path": "src.rewards.scorers.vqa.VQAScorer"},
        training={"output_dir": str(tmp_path / "run"), "show_every": 0, "grpo": grpo},
        evaluation={"limit": 3, "scorer": {"class_path": "src.rewards.scorers.vqa.VQAScorer", "params": {}}},
    )
    outcome = train(run)
    assert outcome is not None
    assert [(gain.scorer, gain.samples) for gain in outcome.gains] == [("VQAScorer", 3)] * 2
