"""Repeated judgements: each is in the record, and score, frame, comparison and page follow from the very same ones."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas
import pytest
from typer.testing import CliRunner

from main import app
from src.config import Config, ModelConfig
from src.data.verdict import SentPrompt, Status, Verdict
from src.pipeline.evaluation import evaluate
from src.record.record import RECORD_NAME, Record
from src.record.results import SampleResult
from src.redaction import remember
from src.reporting import load_run
from src.reporting.page.model import Card, Outcome, Word
from src.reporting.page.run_page import run_page
from src.reporting.report import build_report
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import Scorer, ScorerSetting
from src.rewards.scorers.category import CategoryScorer
from src.rewards.scorers.combined import CombinedScorer
from src.rewards.scorers.vie import VIEScorer
from src.training.storage.record import CompletionRow, TrainingRecord
from src.training.tasks.example import Example
from src.training.tracking.show import StepPageWriter
from tests.conftest import item
from tests.judged_edits import edit
from tests.pages import page_data
from tests.repeating_judge import RepeatingJudge

Make = Callable[..., Config]
Write = Callable[..., Path]

JUDGE = "tests.repeating_judge.RepeatingJudge"
REFUSAL = {"text": "", "refusal": "I would rather not"}
SCRIPT: dict[str, list[Any]] = {"change to 1": ["Score: 2", "Score: 4", "Score: 9"], "change to": ["Score: 6", REFUSAL]}
"""Sample 1 gets 2, 4 and 9; every other one 6, no score and 6."""


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    RepeatingJudge.asked.clear()


def scorer(scorer_class: type[Scorer], script: dict[str, list[Any]], **params: Any) -> Scorer:
    handle = JudgeHandle(ModelConfig(class_path=JUDGE, params={"script": script}))
    made = scorer_class(params, ScorerSetting(handle))
    made.load()
    return made


def values(first: float, second: float, names: tuple[str, str]) -> str:
    return json.dumps({"reasoning": "", names[0]: first, names[1]: second})


CONSISTENCY, QUALITY = ("edit_success", "no_overediting"), ("naturalness", "no_artifacts")
VIE = {
    "edit_success": [values(9, 9, CONSISTENCY), values(4, 9, CONSISTENCY), values(5, 6, CONSISTENCY)],
    "naturalness": [values(4, 5, QUALITY), REFUSAL, values(10, 10, QUALITY)],
}


def test_every_repeat_has_a_verdict_by_the_same_formula_and_the_score_is_that_of_the_means() -> None:
    (verdict,) = scorer(VIEScorer, VIE, repeats=3).score([edit()])
    assert verdict.repeats is not None
    first, second, third = verdict.repeats
    assert (first.score, third.score) == (pytest.approx(6.0), pytest.approx(math.sqrt(50)))
    assert (second.status, second.score) == (Status.REFUSED, None)
    assert "I would rather not" in str(second.reason)
    assert second.dimensions == {"edit_success": 4.0, "no_overediting": 9.0}
    assert first.replies == (VIE["edit_success"][0], VIE["naturalness"][0])
    # A repeat without values is left out of the mean of its own question, and of that alone.
    for name in (*CONSISTENCY, *QUALITY):
        read = [one.dimensions[name] for one in verdict.repeats if name in one.dimensions]
        assert verdict.dimensions[name] == pytest.approx(fmean(value for value in read if value is not None))
    assert verdict.score == pytest.approx(math.sqrt(min(6, 8) * min(7, 7.5)))
    assert verdict.seconds == pytest.approx(sum(one.seconds for one in verdict.repeats))
    assert verdict.usage == {"calls": 6} == {"calls": sum(one.usage["calls"] for one in verdict.repeats)}


def test_what_is_judged_once_has_no_repeats_and_without_any_value_there_is_no_score() -> None:
    (once,) = scorer(CategoryScorer, {"": ["Score: 5"]}).score([edit()])
    assert (once.score, once.repeats) == (5.0, ())
    (none,) = scorer(CategoryScorer, {"": [REFUSAL]}, repeats=2).score([edit()])
    assert (none.status, none.score) == (Status.REFUSED, None)
    assert [one.status for one in none.repeats or ()] == [Status.REFUSED] * 2


def test_a_formula_that_bears_means_alone_costs_the_repeat_and_not_the_verdict() -> None:
    class Fragile(CategoryScorer):
        def conclude(self, edit: Any, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
            return 10 / (values["score"] - 4), {}

    (verdict,) = scorer(Fragile, {"": ["Score: 4", "Score: 8"]}, repeats=2).score([edit()])
    assert verdict.score == 5.0
    failed, sound = verdict.repeats or ()
    assert (failed.status, failed.replies, sound.score) == (Status.JUDGE_FAILED, ("Score: 4",), 2.5)


def test_a_verdict_refuses_repeats_that_are_not_its_own() -> None:
    with pytest.raises(ValueError, match="not those of the verdict"):
        Verdict(Status.SCORED, 5.0, replies=("a",), repeats=(Verdict(Status.SCORED, 5.0, replies=("b",)),))


def combined(*repeats: int) -> Verdict:
    parts = [
        {"class_path": "src.rewards.scorers.category.CategoryScorer", "params": {"repeats": count}, "name": f"{place}"}
        for place, count in enumerate(repeats)
    ]
    (verdict,) = scorer(CombinedScorer, {"": ["Score: 2", "Score: 8"]}, parts=parts).score([edit()])
    return verdict


def test_a_combination_is_combined_for_each_repeat_and_a_part_that_was_judged_once_is_in_each() -> None:
    verdict = combined(2, 1, 2)
    assert [one.score for one in verdict.repeats or ()] == [2.0, 6.0]
    assert verdict.score == pytest.approx(4.0)
    assert (verdict.repeats or ())[1].dimensions == {"0": 8.0, "1": 2.0, "2": 8.0}
    assert verdict.usage["calls"] == sum(one.usage.get("calls", 0) for one in verdict.repeats or ()) == 5
    assert len(verdict.prompts) == 3


def test_parts_that_are_repeated_differently_often_make_no_repeats_of_the_whole() -> None:
    assert combined(2, 3).repeats is None
    assert combined(1, 1).repeats == ()


# In a run.


def config(make_config: Make, data: Path, script: dict[str, list[Any]] | None = None, **evaluation: Any) -> Config:
    return make_config(
        data,
        reward_model={"class_path": JUDGE, "params": {"script": script or SCRIPT}},
        scorer={"class_path": "src.rewards.scorers.category.CategoryScorer", "params": {"repeats": 3}},
        evaluation=evaluation,
    )


@pytest.fixture
def run_dir(write_benchmark: Write, make_config: Make, tmp_path: Path) -> Path:
    """A run of four samples: 0 and 1 judged three times, one that cannot be edited, one that is bad."""
    items = [item(0), item(1), item(2, edit_instruction_en="raise"), item(3, src_img_b64=None)]
    made = config(make_config, write_benchmark(items))
    evaluate(made.model_copy(update={"diffusion_model": ModelConfig(class_path="tests.plugins.FaultyEditor")}))
    return tmp_path / "out"


def results(folder: Path) -> list[SampleResult]:
    with closing(Record(folder, for_reading=True)) as record:
        return list(record.results(record.latest_run().run_key))


def outcomes(folder: Path) -> list[Outcome]:
    """The outcome on the card of each sample, built by reading the record anew."""
    with closing(Record(folder, for_reading=True)) as record:
        info = record.latest_run()
        report = build_report(info, record.results(info.run_key))
    cards: list[Card] = list(run_page(report, folder, folder / "results").cards)
    return [card.outcomes[0] for card in cards]


def test_the_record_gives_back_every_repeat_and_holds_no_reply_twice(run_dir: Path) -> None:
    zero, one, unedited, bad = results(run_dir)
    assert [repeat.score for repeat in one.repeats or ()] == [2.0, 4.0, 9.0]
    assert one.score == 5.0
    assert [repeat.score for repeat in zero.repeats or ()] == [6.0, None, 6.0]
    assert [repeat.status for repeat in zero.repeats or ()] == [Status.SCORED, Status.REFUSED, Status.SCORED]
    assert [repeat.replies for repeat in zero.repeats or ()] == [("Score: 6",), ("I would rather not",), ("Score: 6",)]
    assert [repeat.seconds for repeat in zero.repeats or ()] == [0.25, 0.5, 0.75]
    assert (unedited.repeats, bad.repeats) == (None, None)
    with closing(sqlite3.connect(run_dir / RECORD_NAME)) as database:
        stored = "".join(text for (text,) in database.execute("SELECT repeats FROM verdicts WHERE repeats <> ''"))
    assert '"score":9.0' in stored
    assert "Score: 9" not in stored


def forget_repeats(folder: Path) -> None:
    """Makes it a record of version 3."""
    with closing(sqlite3.connect(folder / RECORD_NAME)) as database:
        for column in ("verdicts.repeats", "verdicts.prompts", "samples.cluster", "samples.attributes", "edits.change"):
            database.execute("ALTER TABLE {} DROP COLUMN {}".format(*column.split(".")))
        database.execute("PRAGMA user_version = 3")


def test_a_record_of_before_goes_on_and_holds_both(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    evaluate(config(make_config, write_benchmark(1)))
    forget_repeats(tmp_path / "out")
    last = evaluate(config(make_config, write_benchmark(2), resume_from_checkpoint=True)).report["attempts"][-1]
    assert (last["edits_made"], last["verdicts_made"]) == (1, 1)
    old, new = results(tmp_path / "out")
    assert (old.score, old.repeats, old.prompts) == (6.0, None, ())
    assert [one.score for one in new.repeats or ()] == [2.0, 4.0, 9.0]
    frame = load_run(tmp_path / "out")
    assert frame.repeat.tolist() == [pandas.NA, 1, 2, 3]
    assert frame.score.tolist() == [6.0, 2.0, 4.0, 9.0]
    assert [one.disagreement for one in outcomes(tmp_path / "out")] == [None, stdev([2, 4, 9])]


def test_the_frame_and_the_csv_have_a_row_a_sample_and_repeat(run_dir: Path, tmp_path: Path) -> None:
    frame = load_run(run_dir)
    assert frame.groupby("sample_id", sort=False).size().tolist() == [3, 3, 1, 1]
    one = frame[frame.instruction == "change to 1"]
    assert (one.repeat.tolist(), one.score.tolist(), set(one.sample_score)) == ([1, 2, 3], [2.0, 4.0, 9.0], {5.0})
    assert one.judge_seconds.tolist() == [0.25, 0.5, 0.75]
    assert one["usage.calls"].sum() == 3
    assert one.picture.nunique() == 1
    zero = frame[frame.instruction == "change to 0"]
    assert zero.status.tolist() == ["scored", "refused", "scored"]
    assert (zero.score.isna().tolist(), set(zero.sample_status)) == ([False, True, False], {"scored"})
    assert "I would rather not" in zero.reason.tolist()[1]
    assert frame.repeat.isna().tolist() == [False] * 6 + [True, True]
    path = tmp_path / "run.csv"
    assert CliRunner().invoke(app, ["report", str(run_dir), "--csv", str(path)]).exit_code == 0
    read = pandas.read_csv(path)
    assert read["repeat"].tolist()[:6] == [1, 2, 3, 1, 2, 3]
    assert read.score[:6].fillna(-1).tolist() == [6, -1, 6, 2, 4, 9]
    assert list(map(json.loads, read.replies[3:6])) == [["Score: 2"], ["Score: 4"], ["Score: 9"]]


def test_a_sample_that_was_judged_once_has_one_row_which_is_its_first_repeat(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    evaluate(make_config(write_benchmark(2)))
    assert load_run(tmp_path / "out").repeat.tolist() == [1, 1]


def test_a_card_has_every_repeat_its_replies_and_their_standard_deviation(run_dir: Path) -> None:
    zero, one, unedited, _ = outcomes(run_dir)
    assert one.disagreement == pytest.approx(stdev([2, 4, 9]))
    assert [repeat.score for repeat in one.repeats] == [2.0, 4.0, 9.0]
    assert [list(repeat.replies) for repeat in one.repeats] == [["Score: 2"], ["Score: 4"], ["Score: 9"]]
    assert list(one.replies) == [], "each reply is there once"
    assert zero.disagreement == 0.0, "a repeat without a score is no score of 0"
    assert (zero.repeats[1].status, zero.repeats[1].score) == ("refused", None)
    assert (unedited.disagreement, list(unedited.repeats)) == (None, [])


def test_comparisons_and_leaderboards_count_a_sample_once_by_the_mean_of_its_repeats(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    """Sample 0: 6 against (1 + 2 + 3) / 3; samples 1: 5 against 5. Pooling the replies instead would pair six."""
    data = write_benchmark(2)
    second = {"change to 1": ["Score: 5"], "change to": ["Score: 1", "Score: 2", "Score: 3"]}
    for name, script in (("first", SCRIPT), ("second", second)):
        evaluate(config(make_config, data, script, output_dir=str(tmp_path / "runs" / name)))
    folders = [str(tmp_path / "runs" / name) for name in ("first", "second")]
    options = ["--allow", "judge", "--output-dir", str(tmp_path / "told")]
    done = CliRunner().invoke(app, ["compare", *folders, *options])
    assert done.exit_code == 0, done.output
    (report,) = (tmp_path / "told").glob("*.json")
    found = json.loads(report.read_text(encoding="utf-8"))["pairs"][0]["overall"]
    assert (found["pairs"], found["clusters"], found["difference"]) == (2, 2, pytest.approx((2 - 6 + 5 - 5) / 2))
    report.unlink()
    done = CliRunner().invoke(app, ["leaderboard", str(tmp_path / "runs"), "--output-dir", str(tmp_path / "told")])
    assert done.exit_code == 0, done.output
    boards = json.loads(next((tmp_path / "told").glob("leaderboard*.json")).read_text(encoding="utf-8"))["boards"]
    runs = {run["name"]: run["overall"] for board in boards for run in board["runs"]}
    assert {name: (own["mean"], own["num_samples"]) for name, own in runs.items()} == {
        "first": (pytest.approx(5.5), 2),
        "second": (pytest.approx(3.5), 2),
    }


# Prompts.


def test_the_card_shows_the_very_prompts_that_the_judge_was_asked(run_dir: Path) -> None:
    sent = {question.text: question for question in RepeatingJudge.asked}
    assert len(sent) == 2
    for outcome, result in zip(outcomes(run_dir)[:2], results(run_dir), strict=False):
        (prompt,), (stored,) = outcome.prompts, result.prompts
        question = sent[stored.text]
        assert stored == SentPrompt(
            question.system_prompt, tuple(shown.label for shown in question.images), question.text
        )
        assert result.instruction in stored.text
        assert len(stored.labels) == 3, "source, edit and reference"
        images = [part for label in stored.labels for part in (label, Word("mark_image"))]
        assert prompt == [Word("mark_system"), stored.system, Word("mark_user"), *images, stored.text]
        assert [type(part) is Word for part in prompt] == [True, False, True, *[False, True] * 3, False]


def test_a_scorer_with_several_prompts_shows_each_once_and_no_image_that_was_not_sent() -> None:
    (verdict,) = scorer(VIEScorer, VIE, repeats=3).score([edit()])
    assert [len(prompt.labels) for prompt in verdict.prompts] == [2, 1]
    assert len(RepeatingJudge.asked) == 6
    assert {(one.system, one.text) for one in verdict.prompts} == {
        (question.system_prompt, question.text) for question in RepeatingJudge.asked
    }


def test_a_judge_that_only_scores_shows_the_prompts_that_it_got(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    prompts = {"物理": {"system_prompt": "Be strict.", "user_prompt_template": "Is it {edit_instruction}?"}}
    evaluate(make_config(write_benchmark([item(0)]), prompts=prompts))
    (found,) = results(tmp_path / "out")
    assert found.prompts == (SentPrompt("Be strict.", ("", ""), "Is it change to 0?"),)


def test_no_secret_is_in_the_stored_prompts_and_damaged_ones_cost_nothing_else(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    remember("hunter2-hunter2")
    evaluate(config(make_config, write_benchmark([item(0, edit_instruction_en="change to hunter2-hunter2")])))
    (found,) = results(tmp_path / "out")
    assert "hunter2" not in found.prompts[0].text
    with closing(sqlite3.connect(tmp_path / "out" / RECORD_NAME, isolation_level=None)) as database:
        database.execute("UPDATE verdicts SET prompts = x'00ff'")
    (found,) = results(tmp_path / "out")
    assert (found.status, found.prompts) == (Status.SCORED, ())


# In a training.


def test_a_training_keeps_them_too_and_shows_them_on_the_same_card(tmp_path: Path) -> None:
    (verdict,) = scorer(VIEScorer, VIE, repeats=3).score([edit()])
    row = CompletionRow(
        step=1,
        position=0,
        example_id="one",
        category="物理",
        request="tip it",
        completion="so",
        reading="so",
        problem=None,
        edit_key=None,
        verdict_key="key",
        status=Status.SCORED,
        reason=None,
        reward=verdict.score,
    )
    with closing(TrainingRecord(tmp_path)) as record:
        record.add_verdict("key", verdict)
        assert record.verdict("key") == verdict
        example = Example("one", "hash", "物理", "tip it", "", "tip it", (), None)
        path = StepPageWriter(tmp_path / "shown").write([row], {"one": example}, record)
    data = page_data(path.read_text(encoding="utf-8"))
    (outcome,) = data["cards"][0]["outcomes"]
    assert [one.get("score") for one in outcome["repeats"]] == [one.score for one in verdict.repeats or ()]
    assert outcome["disagreement"] == pytest.approx(stdev([6.0, math.sqrt(50)]))
    told = ["\n".join(data["lines"][part] for part in prompt if isinstance(part, int)) for prompt in outcome["prompts"]]
    assert [text.endswith(sent.text) for text, sent in zip(told, verdict.prompts, strict=True)] == [True, True]
