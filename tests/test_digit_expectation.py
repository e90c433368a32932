"""The digit-expectation judge: its mean and mass are those of the model's own first token."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from src.config import Config
from src.data.verdict import Status
from src.models.reward.base_reward import JudgeRequest
from src.models.reward.implementations.digit_expectation import DigitExpectationRewardModel, _question
from src.models.reward.vision_language_judge import NoScore
from src.models.vlm.exact_expected_score import NumberTokens, expected_digit
from src.pipeline.evaluation import evaluate
from tests.tiny_judges import judge_folder  # noqa: F401 (a fixture)
from tests.tiny_parts import gradient

CLASS = f"{DigitExpectationRewardModel.__module__}.{DigitExpectationRewardModel.__qualname__}"
NUMBERS = NumberTokens({str(digit): [digit, 10 + digit] for digit in range(10)}, None)
"""A vocabulary of digits without and with a space before them; every other token is a word."""


def probabilities(**shares: float) -> torch.Tensor:
    found = torch.zeros(30)
    for place, share in shares.items():
        found[int(place[1:])] = share
    return found


@pytest.mark.parametrize(
    ("shares", "mean", "mass", "likeliest"),
    [
        ({"t5": 1.0}, 5.0, 1.0, 5),
        ({"t0": 0.5, "t4": 0.25, "t25": 0.25}, 4 * 0.25 / 0.75, 0.75, 0),
        ({"t3": 0.2, "t13": 0.3, "t1": 0.4}, (3 * 0.5 + 0.4) / 0.9, 0.9, 3),
        ({"t9": 0.9, "t2": 0.1}, 2.0, 0.1, 2),
        ({f"t{digit}": 1 / 6 for digit in range(6)}, 2.5, 1.0, 0),
    ],
)
def test_the_mean_is_over_the_digits_of_the_scale_and_their_mass_is_told(
    shares: dict[str, float], mean: float, mass: float, likeliest: int
) -> None:
    found = expected_digit(probabilities(**shares), NUMBERS, 0, 5)
    assert found is not None
    assert (found.mean, found.mass) == (pytest.approx(mean, abs=1e-6), pytest.approx(mass, abs=1e-6))
    assert found.likeliest == likeliest


def test_without_any_digit_there_is_no_mean() -> None:
    assert expected_digit(probabilities(t25=1.0), NUMBERS, 0, 5) is None
    assert expected_digit(probabilities(t1=1.0), NumberTokens({"1": [1]}, None), 0, 5) is None


def request_of(turn: int) -> JudgeRequest:
    return JudgeRequest(gradient((64, 64), turn + 1), gradient((64, 64), turn), "", "paint it " + "really " * turn)


def judge(folder: Path, **params: object) -> DigitExpectationRewardModel:
    return DigitExpectationRewardModel({"model_name": str(folder), "least_mass": 0.0, **params})


def test_mean_and_mass_are_those_of_the_models_own_next_token(judge_folder: Path) -> None:
    model = judge(judge_folder)
    request = request_of(1)
    inputs = model._encoder([_question(request)])
    with torch.inference_mode():
        first = model.model(**inputs).logits[0, -1].double().softmax(-1)
    tokenizer = model._processor.tokenizer
    masses = []
    for digit in "012345":
        tokens = [index for index in range(len(tokenizer)) if tokenizer.decode([index]).lstrip() == digit]
        masses.append(float(first[tokens].sum()))
    found = model.judge(request)
    assert found.dimensions["digit_mass"] == pytest.approx(sum(masses), rel=1e-4)
    mean = sum(digit * mass for digit, mass in enumerate(masses)) / sum(masses)
    assert found.dimensions["expected_digit"] == pytest.approx(mean, rel=1e-4)
    assert found.score == pytest.approx(2 * mean, rel=1e-4)


def test_an_edit_has_the_same_score_alone_and_among_others(judge_folder: Path) -> None:
    model = judge(judge_folder)
    requests = [request_of(turn) for turn in range(4)]
    together = [one.score for one in model.judge_batch(requests)]
    assert together == pytest.approx([model.judge(one).score for one in requests], abs=1e-4)
    assert len(set(together)) == 4


def test_a_model_that_would_say_something_else_gives_no_score(judge_folder: Path) -> None:
    with pytest.raises(NoScore, match=r"only 0\.\d+ of the probability of the first token .*least_mass"):
        judge(judge_folder, least_mass=0.9).judge(request_of(0))


def test_a_run_names_its_dimensions_and_counts_what_it_cannot_judge(
    judge_folder: Path, write_benchmark: Callable[..., Path], make_config: Callable[..., Config], tmp_path: Path
) -> None:
    benchmark = write_benchmark(3)
    reward_model = {"class_path": CLASS, "params": {"model_name": str(judge_folder), "least_mass": 0.0}}
    rows = evaluate(make_config(benchmark, reward_model=reward_model)).report["samples"]
    assert [row["status"] for row in rows] == [Status.SCORED] * 3
    assert all(set(row["dimensions"]) == {"expected_digit", "digit_mass"} for row in rows)
    strict = {"class_path": CLASS, "params": {"model_name": str(judge_folder), "least_mass": 1.0}}
    output = {"output_dir": str(tmp_path / "strict")}
    rows = evaluate(make_config(benchmark, reward_model=strict, evaluation=output)).report["samples"]
    assert [(row["status"], row["score"]) for row in rows] == [(Status.JUDGE_FAILED, None)] * 3
