"""`merge`: the shards of a run become the run, with the report of one that was never cut; or it says what is wrong."""

from __future__ import annotations

import _thread
import base64
import errno
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.audit.run import audit
from src.config import Config, parse_config
from src.errors import ComparisonError, EditLoopError, MergeError, OutputError
from src.pipeline import picture_view
from src.pipeline.evaluation import FinishedRun, evaluate
from src.pipeline.merge import merge
from src.pipeline.tally import Tally
from src.record import shards
from src.record.file import connect
from src.record.record import Record
from src.record.results import BUDGET_SPENT
from src.reporting.comparison import compare
from src.reporting.frame import load_run, write_csv
from src.reporting.leaderboard import build_leaderboard
from src.reporting.stored_runs import runs_to_compare
from tests.conftest import item, png
from tests.plugins import BrightnessJudge
from tests.test_resume import resumed, timings

Write = Callable[..., Path]
Make = Callable[..., Config]

_STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")


class DyingJudge(BrightnessJudge):
    """Ends the run, as Ctrl-C does, at a sample whose instruction says so, as long as a file exists."""

    NOT_IN_IDENTITY = BrightnessJudge.NOT_IN_IDENTITY | {"flag"}

    def score(
        self, edited_image: Any, original_description: str, edit_instruction: str, *args: Any, **kwargs: Any
    ) -> float:
        if edit_instruction == "die" and Path(self.config["flag"]).exists():
            _thread.interrupt_main()
            time.sleep(0.3)
            _thread.interrupt_main()  # the second one does not wait for the work in flight
            time.sleep(1)
        return super().score(edited_image, original_description, edit_instruction, *args, **kwargs)


@pytest.fixture
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that reports differ in nothing but the moment at which they were made."""
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(Tally, "seconds", 0.0)


def hostile_items() -> list[dict[str, Any]]:
    """Forty items: sources that several share, large ones, bad ones, and what editor or judge fail on."""
    items = [item(place) for place in range(40)]
    shared = item(0)["src_img_b64"]
    for place in (3, 8, 13, 22, 31):
        items[place]["src_img_b64"] = shared
    large = base64.b64encode(png((9, 99, 199), (200, 150))).decode()
    for place in (5, 6):
        items[place]["src_img_b64"] = large
    for place, word in ((2, "raise"), (9, "none"), (17, "raise")):
        items[place]["edit_instruction_en"] = word
    for place, word in ((4, "nan"), (11, "eleven"), (19, "skip"), (30, "text")):
        items[place]["edit_instruction_en"] = word
    del items[12]["src_img_b64"]
    items[14] = {"no": "sample"}
    items[33]["subset"] = ""
    items[25]["tags"] = ["rare", "test"]
    return items


MODELS: dict[str, Any] = {
    "diffusion_model": {"class_path": "tests.plugins.FaultyEditor"},
    "reward_model": {"class_path": "tests.plugins.FaultyJudge"},
}
REPEATING: dict[str, Any] = {
    "diffusion_model": {"class_path": "tests.plugins.SeedEditor"},
    "reward_model": {
        "class_path": "tests.repeating_judge.RepeatingJudge",
        "params": {"repeats": 3, "script": {"change to 7": ["Score: 3", "Score: 9"], "": ["Score: 6", "Score: 7"]}},
    },
}


def run_shards(config: Config, count: int, numbers: Iterable[int] = ()) -> list[Path]:
    """Runs the shards of a config, and returns their folders."""
    folders = []
    for number in numbers or range(1, count + 1):
        part = shard_config(config, number, count)
        evaluate(part)
        folders.append(part.evaluation.output_dir)
    return folders


def shard_config(config: Config, number: int, count: int) -> Config:
    benchmark = config.benchmark.model_copy(update={"shard": f"{number}/{count}"})
    return config.model_copy(update={"benchmark": benchmark}).in_folder_of_shard()


def written(outcome: FinishedRun, folder: Path) -> dict[str, Any]:
    """All that a run has left for people, by name, without the moments at which it was made."""
    csv = folder / "table.csv"
    write_csv(load_run(folder), csv)
    texts = {
        path.suffix: _STARTED.sub("<time>", path.read_text(encoding="utf-8"))
        for path in (outcome.paths.json, outcome.paths.markdown, outcome.paths.page, csv)
    }
    stored = sorted(path.relative_to(folder) for path in folder.rglob("*.png")) + sorted(
        path for path in (folder / "results/pictures").rglob("*") if path.is_file()
    )
    return texts | {str(path): (folder / path).read_bytes() for path in stored}


@pytest.mark.parametrize(
    ("models", "selection"),
    [
        (MODELS, {}),
        (MODELS, {"categories": ["物理", "causal", "nobody"], "difficulties": ["easy", "hard"], "limit": 9}),
        (MODELS | {"evaluation": {"save_generated_images": False}}, {"limit": 25}),
        (REPEATING, {}),
    ],
    ids=["all", "selection and limit", "without pictures", "repeats"],
)
def test_sixteen_shards_merged_are_the_unbroken_run_byte_for_byte_but_for_times(
    models: dict[str, Any],
    selection: dict[str, Any],
    write_benchmark: Write,
    make_config: Make,
    tmp_path: Path,
    no_time_passes: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_view, "IN_ONE_FOLDER", 8)
    config = make_config(write_benchmark(hostile_items()), benchmark=selection, **models)
    unbroken = written(evaluate(config), tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "unbroken")
    folders = run_shards(config.moved_to(tmp_path / "parts"), 16)
    merged = written(merge(folders[::-1], tmp_path / "out"), tmp_path / "out")
    assert list(merged) == list(unbroken)
    for name, text in unbroken.items():
        assert merged[name] == text, name


@pytest.mark.timeout(600)
def test_shards_of_the_miniature_editor_merged_are_the_unbroken_run(tmp_path: Path, no_time_passes: None) -> None:
    params = {
        **{"model_name": "assets/miniature/editor", "num_inference_steps": 1, "true_cfg_scale": 1.0},
        **{"output_resolution": 64, "condition_resolution": 64, "vl_resolution": 64, "batch_size": 1},
    }
    editor = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
    data = {
        "benchmark": {"data_path": "assets/miniature/benchmark.json", "limit": 4},
        "diffusion_model": {"class_path": editor, "params": params},
        "scorer": {"class_path": "src.miniature.oracle_scorer.OracleScorer"},
        "evaluation": {"output_dir": str(tmp_path / "out")},
    }
    config = parse_config(data, "miniature")
    unbroken = written(evaluate(config), tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "unbroken")
    merged = merge(run_shards(config.moved_to(tmp_path / "parts"), 2), tmp_path / "out")
    assert written(merged, tmp_path / "out") == unbroken


def test_resuming_a_merged_run_loads_no_model_and_asks_nothing(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(9))
    merge(run_shards(config.moved_to(tmp_path / "parts"), 4), tmp_path / "out")
    shutil.rmtree(tmp_path / "parts")
    again = evaluate(resumed(config))
    assert timings(again) == (0, 9, 0, 9)
    assert again.report["statuses"] == {"scored": 9}
    assert len(list((tmp_path / "out" / "images").rglob("*.png"))) == 9


def test_appended_samples_cost_only_themselves_in_shards_and_in_a_merged_run(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(8))
    parts = config.moved_to(tmp_path / "parts")
    folders = run_shards(parts, 3)
    merge(folders, tmp_path / "out")
    write_benchmark(11)
    assert timings(evaluate(resumed(config))) == (3, 8, 3, 8)
    run_shards(resumed(parts), 3, [3])
    assert re.search(r"benchmark has changed.*\n.*8 samples.*1/3.*\n.*11 samples.*3/3", refusal(folders, tmp_path))
    run_shards(resumed(parts), 3)
    assert merge(folders, tmp_path / "merged").report["statuses"] == {"scored": 11}


def test_another_picture_of_a_sample_of_one_shard_is_noticed_by_the_others(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(6))
    folders = run_shards(config.moved_to(tmp_path / "parts"), 2, [1])
    write_benchmark([*(item(place) for place in range(5)), item(5, src_img_b64=item(77)["src_img_b64"])])
    folders += run_shards(config.moved_to(tmp_path / "parts"), 2, [2])
    with pytest.raises(MergeError, match=r"benchmark has changed"):
        merge(folders, tmp_path / "merged")


def test_a_missing_shard_is_refused_by_name_unless_it_may_be_missing_and_the_run_goes_on_by_resume(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(12))
    folders = run_shards(config.moved_to(tmp_path / "parts"), 4, [4, 2])
    there = sum(len(list(folder.glob("edits/*/*.png"))) for folder in folders)
    with pytest.raises(
        MergeError, match=rf"2 shards \(1/4, 3/4\)\n.*{12 - there} of the 12 samples.*\n.*--allow-missing"
    ):
        merge(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    merged = merge(folders, tmp_path / "out", allow_missing=True)
    assert merged.report["attempts"][-1]["outcome"] == "merged without 2 shards (1/4, 3/4)"
    assert "The run is not complete (merged without 2 shards" in merged.paths.markdown.read_text(encoding="utf-8")
    assert timings(evaluate(resumed(config))) == (12 - there, there, 12 - there, there)


@pytest.mark.parametrize("how", ["killed", "interrupted", "budget"])
def test_a_shard_that_is_not_complete_is_refused_and_merged_only_as_what_it_is(
    how: str, write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    items = [item(place) for place in range(10)]
    items[8]["edit_instruction_en"] = "die"
    judge = {"class_path": "tests.test_merge.DyingJudge", "params": {"flag": str(flag)}}
    config = make_config(write_benchmark(items), reward_model=judge)
    parts = config.moved_to(tmp_path / "parts")
    folders = run_shards(parts, 2)
    name = "00008_因果_hard" if how == "interrupted" else None
    (broken,) = [folder for folder in folders if any((folder / "images").rglob("00008*.png"))]
    _break(broken, how, flag, parts)
    with pytest.raises(MergeError, match="the shards are not the whole run") as refused:
        merge(folders, tmp_path / "out")
    assert str(broken) in str(refused.value)
    assert name is None or name in str(refused.value), "the samples without a verdict are named"
    merged = merge(folders, tmp_path / "out", allow_missing=True)
    assert "1 shard not complete" in merged.report["attempts"][-1]["outcome"]
    assert not merged.budget_spent
    flag.unlink(missing_ok=True)
    evaluate(resumed(config))
    assert evaluate(resumed(config)).report["statuses"] == {"scored": 10}


def _break(folder: Path, how: str, flag: Path, parts: Config) -> None:
    if how == "interrupted":
        shutil.rmtree(folder)
        flag.touch()
        number = int(folder.name.split("_")[1])
        with pytest.raises(KeyboardInterrupt):
            evaluate(shard_config(parts, number, 2))
        return
    outcome = {"killed": "running", "budget": f"{BUDGET_SPENT}: minutes 5 of 5"}[how]
    with closing(sqlite3.connect(folder / "record.sqlite")) as database, database:
        database.execute("UPDATE attempts SET outcome = ?", (outcome,))


def refusal(folders: Iterable[Path], tmp_path: Path) -> str:
    with pytest.raises(EditLoopError) as refused:
        merge(list(folders), tmp_path / "merged")
    assert not (tmp_path / "merged").exists(), "nothing is touched before all is checked"
    return str(refused.value)


@pytest.mark.parametrize(
    ("section", "changed", "named"),
    [
        ("diffusion_model", {"params": {"strength": 2}}, "editor.params.strength is not set in 1/2"),
        ("reward_model", {"class_path": "tests.plugins.SourceJudge"}, "scorer.judge.class"),
        ("benchmark", {"language": "zh"}, "benchmark.language"),
        ("benchmark", {"limit": 3}, "benchmark.limit"),
        ("runtime", {"seed": 5}, "seed is 0 in"),
        ("evaluation", {"save_generated_images": False}, "evaluation.save_generated_images"),
        ("evaluation", {"metrics": ["std"]}, "evaluation.metrics"),
        ("prompts", {"物理": {"system_prompt": "s", "user_prompt_template": "t"}}, "prompts.物理"),
    ],
)
def test_shards_of_other_settings_are_refused_with_the_setting_by_name(
    section: str, changed: dict[str, Any], named: str, write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    data = write_benchmark(4)
    places = {"output_dir": str(tmp_path / "parts")}
    first = make_config(data, evaluation=places)
    other = make_config(data, **{"evaluation": places, section: (places if section == "evaluation" else {}) | changed})
    folders = run_shards(first, 2, [1]) + run_shards(other, 2, [2])
    said = refusal(folders, tmp_path)
    assert named in said
    assert "2/2" in said


def test_the_same_file_by_another_path_is_refused_with_what_to_do(
    write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(write_benchmark(6)).moved_to(tmp_path / "parts")
    folders = run_shards(config, 2, [1])
    monkeypatch.chdir(tmp_path)
    benchmark = config.benchmark.model_copy(update={"data_path": Path(config.benchmark.data_path).name})
    relative = config.model_copy(update={"benchmark": benchmark})
    folders += run_shards(relative, 2, [2])
    assert re.search(
        r"benchmark.data_path is .*\n.*data_path alike for all shards.*absolute", refusal(folders, tmp_path)
    )
    run_shards(resumed(config), 2, [2])
    assert merge(folders, tmp_path / "out").report["statuses"] == {"scored": 6}


def test_the_wall_time_is_that_of_all_attempts_of_all_shards(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    parts = make_config(write_benchmark(6)).moved_to(tmp_path / "parts")
    folders = run_shards(parts, 2)
    run_shards(resumed(parts), 2, [2])
    for folder, seconds in zip(folders, (0.5, 2.0), strict=True):
        with closing(sqlite3.connect(folder / "record.sqlite")) as database, database:
            database.execute("UPDATE attempts SET seconds = ?", (seconds,))
    report = merge(folders, tmp_path / "out").report
    assert [attempt["seconds"] for attempt in report["attempts"]] == [4.5]
    assert report["timings"]["wall_seconds"] == 4.5


def test_resumed_shards_merge_into_a_run_of_its_own_that_goes_on_with_nothing_of_before(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(6))
    evaluate(make_config(write_benchmark(9)))
    write_benchmark(6)
    merged = merge(run_shards(resumed(config).moved_to(tmp_path / "parts"), 2), tmp_path / "out")
    assert merged.report["config"]["evaluation"]["resume_from_checkpoint"] is False
    assert len(merged.report["attempts"]) == 1
    assert len(list((tmp_path / "out" / "previous").iterdir())) == 1
    assert len(list((tmp_path / "out" / "edits").rglob("*.png"))) == 6


def test_pictures_that_an_earlier_run_showed_leave_the_view_of_the_merged_one(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    folders = run_shards(make_config(write_benchmark(9)).moved_to(tmp_path / "parts"), 3)
    merge(folders, tmp_path / "out")
    for path in (tmp_path / "out").glob("record.sqlite*"):  # so that nothing is set aside
        path.unlink()
    merged = merge(folders[:2], tmp_path / "out", allow_missing=True)
    names = {path.stem for path in (tmp_path / "out" / "images").rglob("*.png")}
    samples = json.loads(merged.paths.json.read_text(encoding="utf-8"))["samples"]
    assert names == {row["sample_id"] for row in samples}


def test_settings_that_decide_no_result_may_differ(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    data = write_benchmark(6)
    places = {"output_dir": str(tmp_path / "parts")}
    judges = [{"params": {"concurrency": number}} for number in (1, 2)]
    folders = [
        run_shards(make_config(data, evaluation=places, reward_model=judge), 2, [number])[0]
        for number, judge in enumerate(judges, 1)
    ]
    assert merge(folders, tmp_path / "merged").report["statuses"] == {"scored": 6}


def test_shards_of_another_number_doubled_ones_and_whole_runs_are_refused(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(6))
    one, two = run_shards(config.moved_to(tmp_path / "parts"), 2)
    (third,) = run_shards(config.moved_to(tmp_path / "parts"), 3, [3])
    shutil.copytree(two, tmp_path / "copy")
    evaluate(config)
    assert "different numbers of shards: 1/2" in refusal([one, third], tmp_path)
    assert f"shard 2/2 is there twice: {two} and {tmp_path / 'copy'}" in refusal(
        [one, two, tmp_path / "copy"], tmp_path
    )
    assert "named twice" in refusal([one, two, one], tmp_path)
    assert "no shard" in refusal([one, tmp_path / "out"], tmp_path)
    assert "record.sqlite" in refusal([one, tmp_path], tmp_path)
    with pytest.raises(MergeError, match="folder of a shard"):
        merge([one, two], two)
    with pytest.raises(MergeError, match="lies in one"):
        merge([one, two], two / "results" / "whole")


@pytest.mark.parametrize("command", ["merge", "report", "compare"])
def test_a_file_in_the_place_of_a_folder_is_named(command: str, tmp_path: Path) -> None:
    named = tmp_path / "record.sqlite"
    named.touch()
    words = {
        "merge": ["merge", named, "--output", tmp_path / "merged"],
        "report": ["report", named],
        "compare": ["compare", named, named.parent],
    }[command]
    done = CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "300"})
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == (3 if command == "compare" else 1)
    assert f"{named} is a file; name the output directory of a run" in done.output


@pytest.mark.parametrize("what", ["record", "edits", "images", "results"])
def test_a_disk_that_is_full_is_a_sentence_and_merging_again_is_enough(
    what: str, write_benchmark: Write, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item(place, edit_instruction_en="a long text " * 500) for place in range(6)]
    folders = run_shards(make_config(write_benchmark(items)).moved_to(tmp_path / "parts"), 2)
    with monkeypatch.context() as patch:
        for module, name in ((os, "link"), (shutil, "copyfile"), (os, "replace")):
            patch.setattr(module, name, full_below(tmp_path / "out" / what, getattr(module, name)))
        if what == "record":
            patch.setattr(shards, "connect", never_larger)
        with pytest.raises(OutputError, match=r"disk is full|No space left on device") as refused:
            merge(folders, tmp_path / "out")
        assert re.search("free space, then give the same command again|make room", str(refused.value))
    assert merge(folders, tmp_path / "out").report["statuses"] == {"scored": 6}


def full_below(folder: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    def full(source: Path, target: Path) -> Any:
        if folder in Path(target).parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return function(source, target)

    return full


def never_larger(path: Path) -> sqlite3.Connection:
    database = connect(path)
    database.execute("PRAGMA max_page_count = 1")  # or as many as it has
    return database


def test_a_leaderboard_ranks_whole_runs_and_says_what_to_do_with_shards(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(9))
    folders = run_shards(config.moved_to(tmp_path / "parts"), 3)
    with pytest.raises(ComparisonError, match=r"parts.*3 shards of a run \(1/3, 2/3, 3/3\).*main.py merge RUN"):
        build_leaderboard(tmp_path)
    other = make_config(write_benchmark(9), runtime={"seed": 5})
    evaluate(other.moved_to(tmp_path / "other"))
    board = build_leaderboard(tmp_path)
    assert [[run["name"] for run in one["runs"]] for one in board["boards"]] == [["other"]]
    assert [one["folder"] for one in board["skipped"]] == [str(folders[0])]
    merge(folders, tmp_path / "out")
    board = build_leaderboard(tmp_path)
    assert [sorted(run["name"] for run in one["runs"]) for one in board["boards"]] == [["other", "out"]]
    assert board["skipped"] == []


def test_a_shard_compared_with_a_whole_run_leads_to_merge_and_with_its_like_is_compared(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(9))
    one, two = run_shards(config.moved_to(tmp_path / "parts"), 2)
    evaluate(config)
    for folders in ([one, tmp_path / "out"], [tmp_path / "out", two], [one, two]):
        with pytest.raises(ComparisonError, match=r"is shard [12]/2 of a run.*`python main.py merge RUN") as refused:
            compare(runs_to_compare(folders))
        assert "run the others with the benchmark section" not in str(refused.value)
    like = run_shards(make_config(write_benchmark(9), runtime={"seed": 5}).moved_to(tmp_path / "like"), 2, [2])
    assert compare(runs_to_compare([two, *like])).report["pairs"]


def test_shards_that_overlap_are_refused(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    one, two = run_shards(make_config(write_benchmark(6)).moved_to(tmp_path / "parts"), 2)
    with closing(sqlite3.connect(two / "record.sqlite")) as database, database:
        taken = sqlite3.connect(one / "record.sqlite").execute("SELECT sample_id FROM samples LIMIT 1").fetchone()[0]
        database.execute(
            "UPDATE samples SET sample_id = ? WHERE sample_id = (SELECT MIN(sample_id) FROM samples)", (taken,)
        )
    assert f"holds 1 sample of other shards ({taken})" in refusal([one, two], tmp_path)


def test_a_record_of_a_later_version_is_refused(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    one, two = run_shards(make_config(write_benchmark(6)).moved_to(tmp_path / "parts"), 2)
    with closing(sqlite3.connect(two / "record.sqlite")) as database, database:
        database.execute("PRAGMA user_version=99")
    assert "record version 99" in refusal([one, two], tmp_path)


def test_one_shard_of_one_is_the_whole_run(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    config = make_config(write_benchmark(3))
    merged = merge(run_shards(config.moved_to(tmp_path / "parts"), 1), tmp_path / "out")
    assert merged.report["statuses"] == {"scored": 3}
    assert timings(evaluate(resumed(config))) == (0, 3, 0, 3)


def test_more_shards_than_samples_are_the_whole_run(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    config = make_config(write_benchmark(3))
    folders = run_shards(config.moved_to(tmp_path / "parts"), 16)
    assert merge(folders, tmp_path / "out").report["statuses"] == {"scored": 3}
    assert "3 of the 3 samples" in refusal(
        [folder for folder in folders if not list(folder.glob("edits/*/*.png"))], tmp_path
    )


def test_what_the_output_held_is_set_aside_also_where_it_holds_the_shards(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(write_benchmark(4))
    folders = run_shards(config, 2)
    merge(folders, tmp_path / "out")
    assert merge(folders, tmp_path / "out").report["statuses"] == {"scored": 4}
    (previous,) = (tmp_path / "out" / "previous").iterdir()
    assert len(list((previous / "images").rglob("*.png"))) == 4


def test_an_output_that_another_run_is_writing_to_is_refused(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    from src.pipeline.output import exclusive

    folders = run_shards(make_config(write_benchmark(4)), 2)
    with exclusive(tmp_path / "merged"), pytest.raises(OutputError, match="another run is writing"):
        merge(folders, tmp_path / "merged")


def test_environments_of_different_machines_are_all_named(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    one, two = run_shards(make_config(write_benchmark(4)), 2)
    with closing(sqlite3.connect(two / "record.sqlite")) as database, database:
        database.execute(
            """UPDATE runs SET environment = json_set(environment, '$.torch', '9.9', '$.python', '3.99')"""
        )
    environment = merge([one, two], tmp_path / "merged").report["environment"]
    assert environment["torch"].endswith(", 9.9")
    assert ", 3.99" in environment["python"]
    assert "," not in environment["pillow"]


def test_what_replaced_verdicts_have_cost_is_not_forgotten_by_the_budget_of_the_whole(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    one, two = run_shards(make_config(write_benchmark(4)), 2)
    with closing(sqlite3.connect(two / "record.sqlite")) as database, database:
        database.execute("""INSERT INTO replaced_verdicts SELECT MAX(attempt), '{"cost": 0.25}' FROM attempts""")
        database.execute("""INSERT INTO replaced_verdicts VALUES (99, '{"cost": 8}')""")  # of another run of the folder
    merge([one, two], tmp_path / "merged")
    with closing(Record(tmp_path / "merged", for_reading=True)) as record:
        paid = record.paid_usage(record.latest_run().run_key)
    assert sum(usage.get("cost", 0) for usage in paid) == 0.25


def test_pictures_that_are_gone_are_named_and_the_scores_stand(
    write_benchmark: Write, make_config: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = run_shards(make_config(write_benchmark(6)), 2)
    shutil.rmtree(two / "edits")
    merged = merge([one, two], tmp_path / "merged")
    assert "are gone; --resume makes them again" in caplog.text
    assert merged.report["statuses"] == {"scored": 6}


def test_a_merged_run_gives_its_edits_to_an_audit(write_benchmark: Write, make_config: Make, tmp_path: Path) -> None:
    config = make_config(write_benchmark(6))
    merge(run_shards(config.moved_to(tmp_path / "parts"), 3), tmp_path / "out")
    done = audit(config.moved_to(tmp_path / "audit"), tmp_path / "out")
    assert done.samples == 6
    assert done.probe_statistics["target"]["total"] == 6


def test_the_command_merges_shows_the_report_and_says_why_not(
    write_benchmark: Write, make_config: Make, tmp_path: Path
) -> None:
    folders = run_shards(make_config(write_benchmark(6)), 3)

    def called(*words: object) -> Any:
        return CliRunner().invoke(app, [*map(str, words), "--output", str(tmp_path / "merged")], env={"COLUMNS": "300"})

    refused = called("merge", *folders[:2])
    assert refused.exit_code == 1
    assert "1 shard (3/3)" in refused.output
    done = called("merge", *folders)
    assert done.exit_code == 0, done.output
    assert "6/6" in done.output
    (report,) = (tmp_path / "merged" / "results").glob("*.json")
    assert json.loads(report.read_text(encoding="utf-8"))["config"]["benchmark"]["shard"] is None
    assert called("merge", *folders[:2], "--allow-missing").exit_code == 0
    with closing(Record(tmp_path / "merged", for_reading=True)) as record:
        assert record.latest_run().attempts[-1].outcome == "merged without 1 shard (3/3)"
