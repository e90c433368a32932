"""`evaluation.budget`: a run stops cleanly when it is spent, and `--resume` with a larger one goes on."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from main import app
from src.config import BudgetConfig, Config, parse_config
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, ModelError
from src.models.reward.base_reward import Judgement, JudgeRequest
from src.pipeline.budget import Budget
from src.pipeline.evaluation import evaluate, latest_report
from src.pipeline.plan import RunPlan
from src.record.record import Record
from tests.api_judge import server  # noqa: F401 (a fixture)
from tests.chat_server import Answer, ChatServer, completion, failure
from tests.plugins import BrightnessJudge

Write = Callable[..., Path]
Make = Callable[..., Config]
JUDGE = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"
SAMPLES = 12
PRICES = {"price_per_million_prompt_tokens": 1000.0, "price_per_million_completion_tokens": 10000.0}
"""The server's answers take 100 and 10 tokens: 0.2 dollars each."""


class CountingJudge(BrightnessJudge):
    """A plug-in that says what each of its answers took and cost."""

    @classmethod
    def stated_usage(cls, params: dict[str, Any]) -> frozenset[str]:
        return frozenset({"calls", "cost"})

    def judge(self, request: JudgeRequest) -> Judgement:
        return Judgement(super().judge(request).score, usage={"calls": 2, "cost": 0.5})


@pytest.fixture
def config(write_benchmark: Write, server: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The YAML of a run of twelve samples, whose judge is asked one question at a time."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    params = {"base_url": server.url, "model": "judge", "max_concurrency": 1, "start_concurrency": 1}
    data = {
        "benchmark": {"data_path": str(write_benchmark(SAMPLES))},
        "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
        "reward_model": {"class_path": JUDGE, "params": params | PRICES},
        "evaluation": {"output_dir": str(tmp_path / "out")},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def run(config: Path, budget: dict[str, Any] | None, *options: str) -> Result:
    setting = [] if budget is None else ["--set", f"evaluation.budget={json.dumps(budget)}"]
    return CliRunner().invoke(app, ["evaluate", "--config", str(config), *setting, *options])


def report_of(config: Path) -> dict[str, Any]:
    with closing(Record(config.parent / "out", for_reading=True)) as record:
        return latest_report(record, Config.model_validate(record.latest_run().config))


@pytest.mark.parametrize("schedule", ["overlapped", "two_stage"])
@pytest.mark.parametrize(
    ("budget", "said"),
    [({"judge_calls": 5}, "judge_calls 5 of 5"), ({"usd": 1.1}, "usd 1 of 1.1, too little for the next verdict")],
)
def test_a_run_stops_when_its_budget_is_spent_and_goes_on_with_a_larger_one(
    config: Path, server: ChatServer, schedule: str, budget: dict[str, Any], said: str
) -> None:
    stage = ("--set", f"evaluation.schedule={schedule}")
    stopped = run(config, budget, *stage)
    assert stopped.exit_code == 4, stopped.output
    assert len(server.requests) == 5
    report = report_of(config)
    assert report["statuses"] == {"scored": 5}
    assert report["attempts"][-1]["outcome"] == f"budget spent: {said}"
    assert said in " ".join(stopped.output.split())
    for page in ("*.md", "*.html"):
        (written,) = (config.parent / "out" / "results").glob(page)
        assert f"he run is not complete (budget spent: {said}" in written.read_text("utf-8")

    assert run(config, budget, *stage, "--resume").exit_code == 4
    assert len(server.requests) == 5  # all attempts together
    larger = {name: limit * 100 for name, limit in budget.items()}
    assert run(config, larger, *stage, "--resume").exit_code == 0
    assert len(server.requests) == SAMPLES
    assert report_of(config)["statuses"] == {"scored": SAMPLES}


@pytest.mark.parametrize(("budget", "calls"), [({"judge_calls": 7}, 8), ({"usd": 1.8}, 6)])
def test_a_plug_in_that_states_its_usage_can_have_a_budget(config: Path, budget: dict[str, Any], calls: int) -> None:
    judge = ("--set", "reward_model={class_path: tests.test_budget.CountingJudge}")
    assert run(config, budget, *judge).exit_code == 4
    assert report_of(config)["usage"]["calls"]["total"] == calls


@pytest.fixture
def many(config: Path, write_benchmark: Write, server: ChatServer) -> Path:
    """A run of forty samples, whose judge is asked up to 32 questions at once and answers slowly."""
    data = yaml.safe_load(config.read_text("utf-8"))
    data["benchmark"]["data_path"] = str(write_benchmark(40))
    data["reward_model"]["params"] |= {"max_concurrency": 32, "start_concurrency": 32}
    config.write_text(yaml.safe_dump(data), encoding="utf-8")
    server.script = lambda body, number: Answer(seconds=0.1)
    return config


@pytest.mark.parametrize(
    ("budget", "calls"),
    [
        ({"judge_calls": 1}, 1),
        ({"judge_calls": 10}, 10),
        ({"usd": 0.1}, 1),  # what an answer costs is not known before the first
        ({"usd": 0.9}, 4),
        ({"usd": 2}, 10),
        ({"usd": 2, "judge_calls": 7}, 7),
    ],
)
def test_no_verdict_is_begun_that_the_budget_does_not_hold(
    many: Path, server: ChatServer, budget: dict[str, Any], calls: int
) -> None:
    stopped = run(many, budget, "--limit", "40")
    assert stopped.exit_code == 4, stopped.output
    assert len(server.requests) == calls
    assert report_of(many)["statuses"] == {"scored": calls}
    assert server.most_under_way > 1 or calls == 1  # the budget does not put calls in a row


def test_a_budget_that_suffices_exactly_for_many_calls_at_once_leaves_a_finished_run(
    many: Path, server: ChatServer
) -> None:
    finished = run(many, {"judge_calls": 40, "usd": 8.001})
    assert finished.exit_code == 0, finished.output
    assert len(server.requests) == 40


def test_all_repeats_of_a_question_have_to_fit(many: Path, server: ChatServer) -> None:
    scorer = "scorer={class_path: src.rewards.scorers.category.CategoryScorer, params: {repeats: 3}}"
    repeats = ("--set", scorer, "--set", "reward_model.params.temperature=1.0")
    stopped = run(many, {"judge_calls": 10}, *repeats)
    assert stopped.exit_code == 4, stopped.output
    assert len(server.requests) == 9
    assert report_of(many)["attempts"][-1]["outcome"].endswith("judge_calls 9 of 10, too little for the next verdict")


def test_what_an_answer_cost_in_an_earlier_run_spares_the_lonely_first_one(
    many: Path, server: ChatServer, tmp_path: Path
) -> None:
    assert run(many, None, "--limit", "2").exit_code == 0
    server.requests.clear()
    server.most_under_way = 0
    server.script = lambda body, number: Answer(seconds=0.4)
    assert run(many, {"usd": 0.9}, "--output-dir", str(tmp_path / "other")).exit_code == 4
    assert len(server.requests) == server.most_under_way == 4


def test_failed_verdicts_give_back_what_was_reserved_for_them(many: Path, server: ChatServer) -> None:
    server.script = lambda body, number: failure(400)
    assert run(many, {"judge_calls": 60, "usd": 3}).exit_code != 4
    assert len(server.requests) == 40


def test_a_budget_that_suffices_exactly_leaves_a_finished_run(config: Path, server: ChatServer) -> None:
    for options in ((), ("--resume",)):
        finished = run(config, {"judge_calls": SAMPLES}, *options)
        assert finished.exit_code == 0, finished.output
        assert report_of(config)["attempts"][-1]["outcome"] == "finished"
    assert len(server.requests) == SAMPLES


def test_minutes_stop_a_run_also_while_the_server_asks_for_patience(config: Path, server: ChatServer) -> None:
    server.script = lambda body, number: Answer() if len(server.requests) < 4 else failure(429, retry_after="300")
    stopped = run(config, {"minutes": 0.02})
    assert stopped.exit_code == 4, stopped.output
    report = report_of(config)
    assert report["statuses"].get("scored", 0) == report["overall_statistics"]["num_samples"] == 3
    assert report["unfinished"] > 0


def test_minutes_of_earlier_attempts_count(config: Path, server: ChatServer) -> None:
    server.script = lambda body, number: Answer(seconds=0.3)
    assert run(config, {"judge_calls": 3}).exit_code == 4
    server.script = lambda body, number: Answer()
    seconds = report_of(config)["attempts"][-1]["seconds"]
    assert seconds > 0.9
    stopped = run(config, {"minutes": seconds / 60}, "--resume")
    assert stopped.exit_code == 4, stopped.output
    assert len(server.requests) == 3


def test_what_failed_verdicts_cost_stays_spent_when_they_are_asked_again(config: Path, server: ChatServer) -> None:
    server.script = lambda body, number: Answer(completion("no score in here"))
    assert run(config, {"judge_calls": 6}).exit_code == 4  # two samples, three times asked each
    assert len(server.requests) == 6
    server.script = lambda body, number: Answer()
    assert run(config, {"judge_calls": 8}, "--resume").exit_code == 4
    assert len(server.requests) == 8
    assert run(config, {"judge_calls": 8}, "--resume").exit_code == 4
    assert len(server.requests) == 8


def test_a_budget_changes_no_key(config: Path) -> None:
    data = yaml.safe_load(config.read_text("utf-8"))
    plain = RunPlan(parse_config(data, "x")).run_key
    data["evaluation"]["budget"] = {"judge_calls": 3}
    assert RunPlan(parse_config(data, "x")).run_key == plain


@pytest.mark.parametrize(
    ("budget", "judge", "said"),
    [
        ({"usd": 1}, {"params": {"base_url": "http://127.0.0.1:9/v1"}}, "price_per_million_prompt_tokens"),
        ({"usd": 1}, {"class_path": "tests.plugins.BrightnessJudge"}, "does not state its cost"),
        ({"judge_calls": 1}, {"class_path": "tests.plugins.BrightnessJudge"}, "does not state its calls"),
        ({"usd": 0}, {}, "greater than 0"),
        ({"minutes": float("inf")}, {}, "finite"),
        ({"judge_calls": 1.5}, {}, "integer"),
        ({}, {}, "limits nothing"),
        ({"hours": 1}, {}, "hours"),
    ],
)
def test_a_budget_of_what_nobody_counts_is_an_error_before_the_run(
    config: Path, budget: dict[str, Any], judge: dict[str, Any], said: str
) -> None:
    data = yaml.safe_load(config.read_text("utf-8"))
    data["reward_model"] = {"class_path": JUDGE, **judge} if judge else data["reward_model"]
    data["evaluation"]["budget"] = budget
    with pytest.raises(ConfigError, match=said):
        evaluate(parse_config(data, "test"))
    assert not (config.parent / "out").exists()


def test_a_run_that_was_begun_without_prices_cannot_go_on_with_a_budget_of_money(config: Path) -> None:
    prices = [f"reward_model.params.{name}=" for name in PRICES]
    assert (
        run(config, {"judge_calls": 3}, *(part for name in prices for part in ("--set", f"{name}null"))).exit_code == 4
    )
    result = run(config, {"usd": 100}, "--resume")
    assert result.exit_code == 1
    assert "nobody knows what they have cost" in " ".join(result.output.split())


def test_a_server_that_states_no_tokens_ends_a_run_on_a_budget_of_money(config: Path, server: ChatServer) -> None:
    server.script = lambda body, number: Answer(completion() | {"usage": None})
    result = run(config, {"usd": 100})
    assert result.exit_code == 1
    assert "nobody knows what it costs" in " ".join(result.output.split())
    assert len(server.requests) < SAMPLES


def test_a_budget_counts_earlier_attempts_and_names_what_is_spent_first() -> None:
    limits = BudgetConfig(judge_calls=3, minutes=2)
    seconds = [0.0]
    budget = Budget(limits, [{"calls": 1}], lambda: seconds[0])
    assert budget.spent() is None
    budget.add(Verdict(Status.SCORED, 5.0, usage={"calls": 1}), 1)
    assert budget.spent() is None
    seconds[0] = 120
    assert budget.spent() == "minutes 2 of 2"
    budget.add(Verdict(Status.JUDGE_FAILED, usage={"calls": 4}), 1)
    assert budget.spent() == "judge_calls 6 of 3"
    of_money = Budget(limits.model_copy(update={"usd": 1}), [], lambda: 0)
    with pytest.raises(ModelError, match="nobody knows"):
        of_money.add(Verdict(Status.SCORED, 5.0, usage={"calls": 1}), 1)


def test_of_a_batch_as_many_verdicts_are_begun_as_fit() -> None:
    budget = Budget(BudgetConfig(judge_calls=10), [{"calls": 1}], lambda: 0)
    stopping = threading.Event()
    with budget.reserved([4, 4, 4], stopping) as count:
        assert count == 2
        with budget.reserved([1], stopping) as another:
            assert another == 1
    assert budget.spent() is None
    with budget.reserved([10], stopping) as count:
        assert count == 0
    assert budget.spent() == "judge_calls 1 of 10, too little for the next verdict"


def test_who_waits_for_room_begins_nothing_once_the_run_stops() -> None:
    budget = Budget(BudgetConfig(judge_calls=2), [], lambda: 0)
    stopping = threading.Event()
    begun: list[int] = []

    def judge() -> None:
        with budget.reserved([2], stopping) as count:
            begun.append(count)

    waiting = threading.Thread(target=judge)
    with budget.reserved([2], stopping):
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        stopping.set()
    waiting.join(5)
    assert begun == [0]
    assert budget.spent() is None
