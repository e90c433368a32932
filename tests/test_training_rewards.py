"""The reward function of a training run, without a trainer: who is edited, judged, masked, recorded and shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.data.selection import Selection
from src.data.verdict import Status
from src.errors import ConfigError, DataError, ModelError
from src.training.config import TrainingConfig, parse_training_config
from src.training.dataset import ImageStore
from src.training.grpo import reward_function as rewards_module
from src.training.grpo.early_stop import MAX_UNSCORED_STEPS, TrainingStopped
from src.training.grpo.edit_rewards import FirstAttempt
from src.training.grpo.processes import Processes
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.grpo.step_summary import StepSummary
from src.training.tasks.base import Example, UnparsableCompletion
from src.training.tracking.show import StepPageWriter
from src.training.tracking.trackers import Tensorboard
from src.training.validate import build_task
from tests.conftest import item
from tests.pages import page_data, pictures, thumbnails

GOOD = "<CoT>think</CoT><Re_edit>paint {}</Re_edit>"


class Together(Processes):
    """One process that hears of another what a test wants it to."""

    def __init__(self, elsewhere: Any) -> None:
        super().__init__()
        object.__setattr__(self, "elsewhere", elsewhere)

    def gathered(self, found: list[Any]) -> list[Any]:
        return [*found, *self.elsewhere]  # type: ignore[attr-defined]


class Bench:
    """A reward function over three samples, called as TRL calls it."""

    def __init__(
        self,
        config: TrainingConfig,
        data: Path,
        folder: Path,
        page_writer: StepPageWriter | None = None,
        elsewhere: Any = (),
    ) -> None:
        self.task = build_task(config)
        setting = RewardSetting(config, Together(elsewhere), page_writer)
        self.rewards: RewardFunction = self.task.rewards(setting)
        store = ImageStore(folder / "images")
        found = list(self.task.examples(str(data), Selection(), store.keep))
        self.examples: list[Example] = [one for one in found if isinstance(one, Example)]
        self.metrics: dict[str, float] = {}
        self.columns: dict[str, list[Any]] = {}
        try:
            self.rewards.load()
        except BaseException:
            self.rewards.close()
            raise
        self.examples = self.rewards.prepare(self.examples)
        self.rewards.add_examples(self.examples)

    def __call__(self, texts: list[str], samples: list[int] | None = None, step: int = 0) -> list[float | None]:
        samples = samples or [0] * len(texts)
        return self.rewards(
            prompts=[None] * len(texts),
            completions=[[{"role": "assistant", "content": text}] for text in texts],
            example_id=[self.examples[sample].example_id for sample in samples],
            trainer_state=SimpleNamespace(global_step=step),
            log_metric=self.metrics.__setitem__,
            log_extra=self.columns.__setitem__,
        )


class FrozenSleep:
    """The module `time`, in which nobody may sleep."""

    def __getattr__(self, name: str) -> Any:
        assert name != "sleep", "there is nothing to wait for"
        return getattr(time, name)


@pytest.fixture
def make_bench(tmp_path: Path, write_benchmark: Callable[..., Path]) -> Iterator[Callable[..., Bench]]:
    """A bench whose editor logs to `edits.log`; keyword arguments go to the sections `training`, editor and judge."""
    made: list[Bench] = []
    data = write_benchmark([item(index, edit_instruction_en=f"<b>wish {index}</b>") for index in range(3)])

    def make(
        training: dict[str, Any] | None = None,
        editor: dict[str, Any] | None = None,
        judge: str = "DelayedJudge",
        judge_params: dict[str, Any] | None = None,
        task: str = "src.training.tasks.rewrite.RewriteTask",
        page_writer: StepPageWriter | None = None,
        data: Path = data,
        elsewhere: Any = (),
        scorer: str = "src.rewards.scorers.category.CategoryScorer",
    ) -> Bench:
        config = parse_training_config(
            {
                "policy": {"model": "unused"},
                "task": {"class_path": task},
                "data": {"train": str(data)},
                "diffusion_model": {
                    "class_path": "tests.training_plugins.ToneEditor",
                    "params": {"log": str(tmp_path / "edits.log"), **(editor or {})},
                },
                "reward_model": {"class_path": f"tests.training_plugins.{judge}", "params": judge_params or {}},
                "scorer": {"class_path": scorer},
                "training": {"output_dir": str(tmp_path), "patience": 0, "show_every": 1, **(training or {})},
            },
            "test",
        )
        made.append(Bench(config, data, tmp_path, page_writer, elsewhere))
        return made[-1]

    yield make
    for bench in made:
        bench.rewards.close()


def edits(tmp_path: Path) -> list[str]:
    log = tmp_path / "edits.log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_rewards_reach_their_completions_whatever_the_order_in_which_judging_ends(
    make_bench: Callable[..., Bench],
) -> None:
    wanted = [3, 9, 0, 7, 1, 10, 5, 2, 8, 4, 6, 3]  # the brighter, the sooner it is judged
    found = make_bench()([GOOD.format(number) for number in wanted], [index % 3 for index in range(12)])
    assert found == pytest.approx(wanted, abs=0.02)


def test_an_identical_instruction_is_edited_and_judged_once_in_a_step_across_steps_and_after_a_resume(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench()
    texts = [GOOD.format(4)] * 5 + [GOOD.format(6)]
    first = bench(texts, step=0)
    assert len(edits(tmp_path)) == 2
    assert bench.metrics["edits/made"] == 2
    assert bench.metrics["edits/reused"] == 4
    second = bench(texts, step=1)
    bench.rewards.close()
    resumed = make_bench()
    third = resumed(texts, step=1)
    assert first == second == third
    assert len(edits(tmp_path)) == 2
    assert resumed.metrics["edits/made"] == resumed.metrics["verdicts/made"] == 0


def test_another_thought_with_the_same_instruction_costs_no_second_edit(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench()
    bench([GOOD.format(4), GOOD.format(4).replace("think", "ponder")])
    assert len(edits(tmp_path)) == 1


def test_all_edits_of_a_sample_share_a_seed_and_samples_differ_in_theirs(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    make_bench()([GOOD.format(number) for number in (1, 2, 3, 4)], [0, 0, 1, 1])
    seeds = {line.split("|")[0]: line.split("|")[1] for line in edits(tmp_path)}
    assert seeds["paint 1"] == seeds["paint 2"] != seeds["paint 3"] == seeds["paint 4"]


@pytest.mark.parametrize("reward", [0.0, 1.5, None])
def test_an_unparsable_completion_is_never_edited_and_gets_the_reward_of_the_setting(
    make_bench: Callable[..., Bench], tmp_path: Path, reward: float | None
) -> None:
    bench = make_bench(training={"unparsable_reward": reward})
    texts = ["paint 9", "<CoT>a</CoT>", "<Re_edit>paint 9</Re_edit>", GOOD.format(5)]
    assert bench(texts) == [reward, reward, reward, pytest.approx(5, abs=0.02)]
    assert len(edits(tmp_path)) == 1
    assert bench.metrics["completions/unparsable"] == 0.75
    assert bench.columns["problem"][3] is None
    assert all(bench.columns["problem"][:3])


def test_a_failed_edit_is_masked_and_named_in_the_record(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(editor={"break_on": "paint 3"})
    assert bench([GOOD.format(3), GOOD.format(8)]) == [None, pytest.approx(8, abs=0.02)]
    row = bench.rewards.record.completions(1)[0]
    assert (row.status, row.reason, row.reward) == (Status.EDIT_FAILED, "RuntimeError: out of paint", None)
    assert bench.metrics["statuses/edit_failed"] == 0.5


def test_too_many_failures_stop_the_run_and_say_why(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(editor={"break_on": "paint 3"}, training={"most_failures": 0.4})
    with pytest.raises(TrainingStopped, match=r"1 of 2 completions.*out of paint.*--resume"):
        bench([GOOD.format(3), GOOD.format(8)])


def test_verdicts_that_are_final_are_masked_counted_and_warned_of_at_once(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rewards_module, "time", FrozenSleep())
    bench = make_bench(judge="SilentJudge", training={"patience": 600, "most_failures": 0.1})
    assert bench([GOOD.format(2), GOOD.format(6), "nonsense"]) == [None, pytest.approx(6, abs=0.02), 0.0]
    assert bench.metrics["statuses/not_applicable"] == 1 / 3
    assert "step 1: 1 of 2 completions have no score and are masked; 1 of them: not_applicable: too dark" in caplog.text
    for step in range(1, 2 * MAX_UNSCORED_STEPS):
        assert bench([GOOD.format(2), GOOD.format(6 if step % MAX_UNSCORED_STEPS == 5 else 1)], step=step)[0] is None


def test_final_verdicts_do_not_hide_an_outage_and_only_what_failed_is_tried_again(
    make_bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards_module, "FIRST_PAUSE", 0.01)
    (tmp_path / "left").write_text("2")
    bench = make_bench(
        judge="SilentJudge",
        judge_params={"left": str(tmp_path / "left")},
        training={"patience": 20, "most_failures": 0.4},
    )
    assert bench([GOOD.format(6), GOOD.format(2)]) == [pytest.approx(6, abs=0.02), None]


def test_a_run_in_which_nothing_is_scored_for_many_steps_stops_and_says_why(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(judge="SilentJudge")
    for step in range(MAX_UNSCORED_STEPS - 1):
        assert bench([GOOD.format(2), "nonsense"], step=step) == [None, 0.0]
        assert bench(["nonsense"], step=step) == [0.0]  # the policy's own fault: neither here nor there
    with pytest.raises(TrainingStopped, match=r"10 steps in a row .* of the last 1: .*not_applicable: too dark"):
        bench([GOOD.format(1)], step=MAX_UNSCORED_STEPS)


def test_a_process_without_scores_goes_on_while_another_has_some(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(judge="SilentJudge", elsewhere=[StepSummary(readable=4, scored=1)])
    for step in range(2 * MAX_UNSCORED_STEPS):
        assert bench([GOOD.format(2)], step=step) == [None]


def test_unparsable_completions_are_no_failures(make_bench: Callable[..., Bench]) -> None:
    assert make_bench(training={"most_failures": 0})(["nonsense"] * 4) == [0.0] * 4


def test_a_judge_that_is_away_for_a_while_is_waited_for_and_nothing_is_edited_again(
    make_bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards_module, "FIRST_PAUSE", 0.01)
    (tmp_path / "left").write_text("5")
    bench = make_bench(
        judge="FlakyJudge", judge_params={"left": str(tmp_path / "left")}, training={"patience": 20, "most_failures": 0}
    )
    assert bench([GOOD.format(2), GOOD.format(6)]) == pytest.approx([2, 6], abs=0.02)
    assert len(edits(tmp_path)) == 2


def test_a_judge_that_stays_away_stops_the_run_when_patience_ends(
    make_bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards_module, "FIRST_PAUSE", 0.01)
    (tmp_path / "left").write_text("1000000")
    bench = make_bench(judge="FlakyJudge", judge_params={"left": str(tmp_path / "left")}, training={"patience": 0.05})
    with pytest.raises(TrainingStopped, match="judge is away"):
        bench([GOOD.format(2)])


def test_a_judge_that_the_scorer_never_asks_is_neither_loaded_nor_freed(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(judge="UnbuildableJudge", scorer="src.rewards.scorers.reference.ReferenceScorer")
    assert bench([GOOD.format(2)])[0] is not None
    bench.rewards.close()


def test_the_reason_why_a_judge_does_not_load_survives_the_end_of_the_run(make_bench: Callable[..., Bench]) -> None:
    with pytest.raises(ModelError, match="the judge is not built here"):
        make_bench(judge="UnbuildableJudge")


def test_the_judge_sees_the_users_instruction_and_the_source(make_bench: Callable[..., Bench]) -> None:
    from tests.training_plugins import DelayedJudge

    make_bench()([GOOD.format(2)], [2])
    assert DelayedJudge.seen == [("<b>wish 2</b>", (2, 40, 90))]


def test_the_critique_task_edits_the_first_attempt_and_judges_against_the_source(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    from tests.training_plugins import DelayedJudge

    bench = make_bench(task="src.training.tasks.rewrite.CritiqueTask")
    attempts = edits(tmp_path)
    assert [line.split("|")[0] for line in attempts] == ["<b>wish 0</b>", "<b>wish 1</b>", "<b>wish 2</b>"]
    assert all(len(example.images) == 2 for example in bench.examples)
    bench([GOOD.format(2)], [2])
    tone = bench.examples[2].images[1].decode().getpixel((0, 0))
    assert edits(tmp_path)[-1].endswith(f"|{tone}")
    assert DelayedJudge.seen == [("<b>wish 2</b>", (2, 40, 90))]


def test_a_first_attempt_that_the_data_bring_is_not_made_again(
    make_bench: Callable[..., Bench], write_benchmark: Callable[..., Path], tmp_path: Path
) -> None:
    attempt = item(200)["src_img_b64"]
    items = [item(0), item(1, preliminary_img_b64=attempt), item(2)]
    bench = make_bench(task="src.training.tasks.rewrite.CritiqueTask", data=write_benchmark(items, "attempts.json"))
    assert [line.split("|")[0] for line in edits(tmp_path)] == ["change to 0", "change to 2"]
    assert bench.examples[1].images[1].decode().getpixel((0, 0)) == (200, 40, 90)
    bench([GOOD.format(2)], [1])
    assert edits(tmp_path)[-1].endswith("|(200, 40, 90)")


def test_samples_whose_first_attempt_fails_are_left_out_and_too_many_stop_the_run(
    make_bench: Callable[..., Bench],
) -> None:
    task = "src.training.tasks.rewrite.CritiqueTask"
    assert len(make_bench(task=task, editor={"break_on": "<b>wish 1</b>"}).examples) == 2
    with pytest.raises(DataError, match="out of paint"):
        make_bench(task=task, editor={"break_on": "<b>wish 1</b>"}, training={"most_failures": 0.1})


def test_a_sample_whose_first_attempt_failed_in_another_process_is_left_out_in_this_one_as_well(
    make_bench: Callable[..., Bench],
) -> None:
    names = [example.example_id for example in make_bench().examples]
    bench = make_bench(
        task="src.training.tasks.rewrite.CritiqueTask", elsewhere=[FirstAttempt(names[1], 1, None, "out of paint")]
    )
    assert [example.example_id for example in bench.examples] == [names[0], names[2]]


def test_a_process_stops_with_another_that_has_to(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(elsewhere=[StepSummary(problem="the judge is gone")])
    with pytest.raises(TrainingStopped, match="the judge is gone"):
        bench([GOOD.format(1)])


def test_every_completion_is_recorded_and_a_step_done_again_replaces_its_own(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    bench(["nonsense", GOOD.format(1), GOOD.format(2)], [0, 1, 1], step=6)
    bench([GOOD.format(3), GOOD.format(1), "nonsense"], [0, 1, 1], step=6)
    rows = bench.rewards.record.completions(7)
    assert len(rows) == 6  # two generations of one step
    again = make_bench()
    again([GOOD.format(8)], [2], step=6)
    assert [row.reading for row in again.rewards.record.completions(7)] == ["paint 8"]
    assert rows[1].edit_key
    assert bench.rewards.record.has_edit(rows[1].edit_key)


def test_the_page_of_a_step_shows_pictures_and_escapes_what_users_and_policies_write(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench(page_writer=StepPageWriter(tmp_path / "shown", [Tensorboard(tmp_path / "tensorboard")]))
    bench(["<script>alert(1)</script>", GOOD.format(1)], step=0)
    page = (tmp_path / "shown" / "step_000001.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<b>wish" not in page
    (card, *_) = page_data(page)["cards"]
    assert card["instruction"] == {"en": "<b>wish 0</b>"}
    assert card["outcomes"][0]["text"] == "<script>alert(1)</script>"
    assert card["outcomes"][0]["reason"]
    shown = [picture for card in page_data(page)["cards"] for picture in pictures(card)]
    assert [picture.get("missing") for picture in shown] == [None, None]
    assert len(thumbnails(page)) == 2
    assert all((tmp_path / "shown" / picture["full"]).is_file() for picture in shown if "full" in picture)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_resume_without_the_recorded_edits_says_once_that_their_pictures_are_missing(
    make_bench: Callable[..., Bench], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [GOOD.format(number) for number in (3, 8, 8)]
    rewards = make_bench()(texts)
    assert "missing" not in caplog.text
    for picture in (tmp_path / "record" / "edits").rglob("*.png"):
        picture.unlink()
    again = make_bench(page_writer=StepPageWriter(tmp_path / "shown"))
    assert [again(texts, step=step) for step in range(2)] == [rewards, rewards], "rewards stay as recorded"
    assert caplog.text.count("2 edits of this step are missing") == 1
    assert len(edits(tmp_path)) == 2, "nothing is edited again"


def test_a_task_that_edits_needs_an_editor() -> None:
    config = parse_training_config({"policy": {"model": "unused"}, "data": {"train": "x.json"}}, "test")
    with pytest.raises(ConfigError, match=r"diffusion_model\.class_path"):
        build_task(config).rewards(RewardSetting(config))


def test_several_instructions_are_joined_in_order() -> None:
    task = build_task(parse_training_config({"policy": {"model": "unused"}, "data": {"train": "x.json"}}, "test"))
    assert task.read("<CoT>a</CoT>\n<Re_edit>one</Re_edit>\n<Re_edit>two</Re_edit>") == "one\ntwo"
    with pytest.raises(UnparsableCompletion, match="text outside"):
        task.read("Sure! <CoT>a</CoT><Re_edit>one</Re_edit>")
