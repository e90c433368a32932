"""What `--resume` says it has to do again, before it does it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from tests.conftest import item

Write = Callable[..., Path]
Make = Callable[..., Config]


@pytest.fixture
def resume(write_benchmark: Write, make_config: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """Resumes a run of three samples with other settings; returns what was said, and how much was made."""
    path = write_benchmark([item(0), item(1), item(2)])

    def run(**sections: dict[str, Any]) -> tuple[str, list[str], tuple[int, int]]:
        evaluation = {"output_dir": str(tmp_path / "out"), "resume_from_checkpoint": True}
        config = make_config(path, evaluation=evaluation, **sections)
        checked = [line for line in check_run(config) if line.startswith("again")]
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            last = evaluate(config).report["attempts"][-1]
        said = "\n".join(record.getMessage() for record in caplog.records if record.name == "src.pipeline.evaluation")
        return said, checked, (last["edits_made"], last["verdicts_made"])

    return run


def test_a_first_run_and_the_same_run_again_say_nothing(resume: Any) -> None:
    assert resume() == ("", [], (3, 3))
    assert resume() == ("", [], (0, 0))


def test_another_editor_is_named_with_what_changed_before_a_model_loads(resume: Any) -> None:
    resume()
    said, checked, made = resume(diffusion_model={"params": {"strength": 4}})
    assert said.startswith(
        "not the editor of before (editor.params.strength: not set, now 4): every edit is made and judged again"
    )
    assert made == (3, 3)
    assert checked == [f"again    with --resume {said}"]


def test_going_back_to_an_earlier_editor_is_not_called_work(resume: Any) -> None:
    resume()
    resume(diffusion_model={"params": {"strength": 4}})
    assert resume() == ("", [], (0, 0))


INLINE = {"物理": {"system_prompt": "s", "user_prompt_template": "u"}}


@pytest.mark.parametrize(
    ("sections", "why", "made"),
    [
        (
            {"reward_model": {"params": {"kind": 2}}},
            "not the scorer of before (scorer.judge.params.kind: not set, now 2)",
            (0, 3),
        ),
        (
            {"prompts": INLINE},
            'not the prompts of before (prompts.config.物理.system_prompt: not set, now "s"',
            (0, 1),
        ),
        (
            {"runtime": {"seed": 7}},
            "not the seed of before (seed: 0, now 7): every edit is made",
            (3, 3),
        ),
        ({"benchmark": {"language": "zh"}}, 'not the language of before (language: "en", now "zh")', (3, 3)),
    ],
)
def test_what_changed_is_named_with_what_it_costs(
    resume: Any, sections: dict[str, Any], why: str, made: tuple[int, int]
) -> None:
    resume()
    said, _, again = resume(**sections)
    assert why in said
    assert ("none is made again" in said) == (made[0] == 0)
    assert again == made


def test_another_selection_repeats_nothing_and_says_nothing(resume: Any) -> None:
    resume()
    benchmark = {"categories": ["物理"], "limit": 1}
    assert resume(benchmark=benchmark) == ("", [], (0, 0))
