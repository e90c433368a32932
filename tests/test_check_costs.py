"""`python main.py check`: calls, tokens, money, disk and budget of a run, measured or by a rule that is said."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.config import Config
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.reporting.wording import byte_size
from tests.api_judge import server  # noqa: F401 (a fixture)
from tests.chat_server import ChatServer

Write = Callable[..., Path]
Make = Callable[..., Config]
JUDGE = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"
PRICES = {"price_per_million_prompt_tokens": 1000.0, "price_per_million_completion_tokens": 10000.0}
PROMPT = {"system_prompt": "1234", "user_prompt_template": "12345678"}


@pytest.fixture
def make(
    write_benchmark: Write, make_config: Make, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Config]:
    """Makes a run of samples of one category, with an API judge; arguments are its params and other sections."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def made(count: int, params: dict[str, Any] | None = None, **sections: Any) -> Config:
        judge = {"base_url": server.url, "model": "judge", "max_tokens": 50, **(params or {})}
        reward = {"class_path": JUDGE, "params": judge}
        prompts = dict.fromkeys(("物理", "环境", "社会", "因果", "指代"), PROMPT)
        return make_config(write_benchmark(count), reward_model=reward, prompts=prompts, **sections)

    return made


def plan(config: Config) -> dict[str, str]:
    """The lines of check by their first word; of several alike the last."""
    return {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in check_run(config)}


def test_without_an_earlier_run_the_rule_is_applied_and_said(make: Callable[..., Config]) -> None:
    """12 bytes of text are 3 tokens, two pictures of 16 × 16 pixels 2 · 256 / 784 tokens."""
    lines = plan(make(10, PRICES | {"prices_as_of": "2026-02-03"}))
    assert lines["calls"] == "10 (one a question; what is asked again comes on top)"
    tokens = 10 * (3 + 2 * 256 / 784)
    assert lines["tokens"].startswith(f"{tokens:,.0f} in, 500 out (in: a token for 4 bytes of text and for 784 pixels")
    assert lines["money"] == f"{(tokens * 1000 + 500 * 10000) / 1e6:.4f} (prices of 2026-02-03)"
    assert "as large as the files of their sources" in lines["disk"]
    assert "free" in lines["disk"]


def test_an_earlier_run_of_the_same_scorer_and_editor_is_measured(make: Callable[..., Config], tmp_path: Path) -> None:
    evaluate(make(4))
    pictures = [picture.stat().st_size for picture in (tmp_path / "out" / "edits").rglob("*.png")]
    elsewhere = make(10, PRICES, evaluation={"output_dir": str(tmp_path / "other")})
    lines = plan(elsewhere)
    source = f"in {tmp_path / 'out'}"
    assert lines["calls"].startswith(f"10 (mean of 4 verdicts {source}")
    assert lines["tokens"].startswith(f"1,000 in, 100 out (mean of 4 verdicts {source}")
    assert lines["money"].startswith("2.0000 (prices of unknown age")
    assert lines["disk"].startswith(f"{byte_size(sum(pictures) / 4 * 10)} of edited pictures")
    assert f"mean of 4 {source}" in lines["disk"]


def test_with_a_record_both_ways_are_said_and_what_is_made_already(make: Callable[..., Config]) -> None:
    evaluate(make(4))
    lines = plan(make(10, PRICES))
    assert lines["to"].startswith("do    with --resume 6 edits and 6 judgements, as 4 and 4 are made; without, 10 of")
    assert lines["calls"].startswith("with --resume 6; without, 10 (")
    assert lines["money"].startswith("with --resume 1.2000; without, 2.0000 (")


def test_what_is_unknown_is_said_to_be_and_never_a_number(
    make: Callable[..., Config], make_config: Make, write_benchmark: Write
) -> None:
    assert plan(make(2))["money"].startswith("unknown: reward_model.params has no price_per_million_prompt_tokens")
    lines = plan(make_config(write_benchmark(2)))  # a judge that only scores
    assert lines["tokens"] == "unknown; run a few samples first (--limit)"
    assert "money" not in lines


def test_a_picture_counts_as_the_judge_gets_it(make: Callable[..., Config]) -> None:
    small, large = (plan(make(100, {"image_max_side": side}))["tokens"] for side in (8, 16))
    assert small.startswith(f"{100 * (3 + 2 * 64 / 784):,.0f} in")
    assert large.startswith(f"{100 * (3 + 2 * 256 / 784):,.0f} in")


def test_the_budget_is_held_against_the_plan(make: Callable[..., Config]) -> None:
    evaluate(make(4, PRICES))

    def budget(**limits: float) -> str:
        return plan(make(10, PRICES, evaluation={"budget": limits}))["budget"]

    stops = "does not suffice, the run stops before all is done"
    assert budget(judge_calls=9) == f"judge_calls 9, 4 of it spent by earlier attempts: {stops}"
    assert budget(judge_calls=10).endswith(": suffices")
    assert budget(usd=1.9) == f"usd 1.9, 0.8 of it spent by earlier attempts: {stops}"
    assert budget(usd=2.1).endswith(": suffices")
    assert budget(minutes=5) == "minutes 5: the run stops there, see time"


def test_pictures_that_do_not_stay_take_no_disk(make: Callable[..., Config]) -> None:
    assert "save_generated_images: false" in plan(make(2, evaluation={"save_generated_images": False}))["disk"]


def test_the_day_of_the_prices_is_no_part_of_the_identity_and_must_be_one() -> None:
    dated = OpenAIRewardModel.identity({"base_url": "http://x/v1", "prices_as_of": "2026-02-03"})
    assert dated == OpenAIRewardModel.identity({"base_url": "http://x/v1"})
    with pytest.raises(ValueError, match="prices_as_of"):
        OpenAIRewardModel.Params(prices_as_of="last spring")
