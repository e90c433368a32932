"""`compare` and `leaderboard` on the command line: exit codes, files, and runs on disk in every state."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from main import app
from src.config import Config
from src.data.image import LazyImage
from src.pipeline.evaluation import evaluate
from src.record.record import RECORD_NAME
from tests.comparable_runs import store, store_unreadable
from tests.conftest import CATEGORIES, png
from tests.test_read_only import command as weakened_command

DICE = random.Random(0)
BASE = [round(DICE.uniform(3, 8), 2) for _ in range(30)]
WORSE = [score - DICE.uniform(1, 2) for score in BASE]


def command(*arguments: object, folder: Path) -> Result:
    words = [*map(str, arguments), "--output-dir", str(folder / "written")]
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    store(tmp_path / "base", BASE)
    store(tmp_path / "worse", WORSE)
    return tmp_path


def written(folder: Path, ending: str, kind: str = "comparison") -> str:
    [found] = (folder / "written").glob(f"{kind}_*{ending}")
    return found.read_text(encoding="utf-8")


def test_two_runs_are_compared_and_the_files_are_named(runs: Path) -> None:
    done = command("compare", runs / "base", runs / "worse", folder=runs)
    assert done.exit_code == 0, done.output
    report = json.loads(written(runs, ".json"))
    assert report["pairs"][0]["second"] == "worse"
    assert report["pairs"][0]["overall"]["difference"] == pytest.approx(sum(WORSE) / 30 - sum(BASE) / 30)
    assert written(runs, ".md").startswith("# Comparison of 2 runs")
    assert "comparison_" in done.output


def test_one_folder_of_many_compares_all_runs_below_it(runs: Path) -> None:
    store(runs / "deeper" / "third", BASE[::-1])
    store(runs / "base" / "previous" / "20260101" / "old", BASE)
    done = command("compare", runs, folder=runs)
    assert done.exit_code == 0, done.output
    assert [run["name"] for run in json.loads(written(runs, ".json"))["runs"]].count("old") == 0
    assert len(json.loads(written(runs, ".json"))["pairs"]) == 3


@pytest.mark.parametrize(
    ("order", "margin", "code"),
    [(("base", "worse"), "0.3", 1), (("worse", "base"), "0.3", 0), (("base", "worse"), "3", 0)],
)
def test_the_gate_exits_with_one_only_for_a_run_that_is_worse(
    runs: Path, order: tuple[str, str], margin: str, code: int
) -> None:
    done = command("compare", *(runs / name for name in order), "--fail-if-worse", margin, folder=runs)
    assert done.exit_code == code, done.output
    assert "new − base is" in done.output
    named = command(
        "compare", *(runs / name for name in order), "--fail-if-worse", margin, "--category", "causal", folder=runs
    )
    assert (named.exit_code, "因果 causal: new − base" in named.output) == (code, True)


def test_the_gate_lets_pass_what_is_worse_on_average_but_not_for_sure(runs: Path) -> None:
    store(runs / "unsure", [score + (2 if place % 2 else -3) for place, score in enumerate(BASE)])
    done = command("compare", runs / "base", runs / "unsure", "--fail-if-worse", "0.3", folder=runs)
    low, high = json.loads(written(runs, ".json"))["pairs"][0]["overall"]["ci95"]
    assert low < -0.3 < high
    assert done.exit_code == 0, done.output


def test_what_cannot_be_compared_exits_with_three_and_a_sentence(runs: Path, tmp_path: Path) -> None:
    other = store(tmp_path / "other", BASE, scorer={"class": "src.Else"})
    few = store(tmp_path / "few", BASE[:10])
    empty = store(tmp_path / "empty", [])
    failed = store_unreadable(tmp_path / "failed", "the judge is away")
    (tmp_path / "nothing").mkdir()
    cases = {
        'class is "src.Scorer"': (runs / "base", other),
        "few lacks 20 of the 30 samples": (runs / "base", few),
        "empty holds no sample yet": (runs / "base", empty),
        "(the judge is away)": (failed, store(tmp_path / "single", [5.0])),
        "is named twice": (runs / "base", runs / "base"),
        f"holds no {RECORD_NAME}": (runs / "base", tmp_path / "nothing"),
        "holds 0 runs": (tmp_path / "nothing",),
        "is not a folder": (tmp_path / "missing",),
        "1 run is named": (runs / "base",),
    }
    for text, folders in cases.items():
        done = command("compare", *folders, folder=runs)
        assert done.exit_code == 3, (text, done.output)
        assert text in done.output
        assert "Traceback" not in done.output
    allowed = command("compare", runs / "base", other, "--allow", "judge", folder=runs)
    assert (allowed.exit_code, "judge differ" in allowed.output) == (0, True)


def test_a_misspelt_category_is_a_usage_error_and_one_that_the_runs_lack_is_not(tmp_path: Path) -> None:
    for name, score in (("a", 4.0), ("b", 6.0)):
        store(tmp_path / name, [score])
    arguments = ("compare", tmp_path / "a", tmp_path / "b", "--fail-if-worse", "1", "--category")
    misspelt = command(*arguments, "phisical", folder=tmp_path)
    told = " ".join(misspelt.output.replace("│", " ").split())
    assert misspelt.exit_code == 2, told
    assert "'phisical' is no category; known are physical, environment, social, causal, referential" in told
    assert "Did you mean 'physical'?" in told
    absent = "referential" if CATEGORIES[0] != "指代" else "physical"
    lacking = command(*arguments, absent, folder=tmp_path)
    assert (lacking.exit_code, f"no sample of these runs is of category '{absent}'" in lacking.output) == (3, True)


def test_the_gate_knows_the_categories_of_plug_ins_by_the_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with sqlite3.connect(store(tmp_path / name, BASE) / RECORD_NAME) as database:
            database.execute("UPDATE samples SET category = 'lighting'")
    done = command(
        "compare", tmp_path / "a", tmp_path / "b", "--fail-if-worse", "1", "--category", "Lighting", folder=tmp_path
    )
    assert done.exit_code == 0, done.output


def test_an_interval_of_the_sign_test_says_so_beside_the_figure(tmp_path: Path) -> None:
    for name, score in (("a", 6.0), ("b", 5.0)):
        store(tmp_path / name, [score] * 12)
    done = command("compare", tmp_path / "a", tmp_path / "b", "--fail-if-worse", "0.3", folder=tmp_path)
    assert done.exit_code == 1, done.output
    assert "-1.00 [-1.00, -1.00]†" in done.output
    assert "† interval of the sign test" in done.output
    assert "new − base is -1.00 [-1.00, -1.00] (sign test) on 12 samples" in done.output
    assert "[-1.00, -1.00]†" in written(tmp_path, ".md")
    assert "† interval of the sign test" in written(tmp_path, ".md")
    assert json.loads(written(tmp_path, ".json"))["pairs"][0]["overall"]["sign_test"] is True


def test_students_interval_bears_no_mark_of_the_sign_test(runs: Path) -> None:
    done = command("compare", runs / "base", runs / "worse", "--fail-if-worse", "0.3", folder=runs)
    assert "†" not in done.output + written(runs, ".md")
    assert "sign test" not in done.output


def test_wrong_use_is_a_usage_error(runs: Path) -> None:
    for arguments in (
        ["--fail-if-worse", "0.3"],
        ["--fail-if-worse", "-1", runs / "worse"],
        ["--fail-if-worse", "nan", runs / "worse"],
        ["--tie", "nan", runs / "worse"],
        ["--tie", "1_0", runs / "worse"],
        ["--fail-if-worse", "1_0", runs / "worse"],
        ["--fail-if-worse", "11", runs / "worse"],
        ["--category", "causal", runs / "worse"],
        ["--allow", "everything", runs / "worse"],
        ["--tie", "eleven", runs / "worse"],
    ):
        assert command("compare", runs / "base", *arguments, folder=runs).exit_code == 2, arguments
    assert CliRunner().invoke(app, ["compare", "--help"]).exit_code == 0


def test_an_error_that_nobody_foresaw_is_never_taken_for_a_worse_run(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("src.reporting.comparison.compare", broken)
    assert command("compare", runs / "base", runs / "worse", "--fail-if-worse", "0.3", folder=runs).exit_code == 3


@pytest.mark.parametrize("outcome", ["interrupted", "running"])
def test_an_interrupted_run_is_compared_and_marked(runs: Path, outcome: str) -> None:
    store(runs / "half", WORSE[:15], outcome=outcome)
    done = command("compare", runs / "base", runs / "half", folder=runs)
    assert (done.exit_code, "half (not finished)" in done.output) == (0, True), done.output
    half = next(run["own"] for run in json.loads(written(runs, ".json"))["runs"] if run["interrupted"])
    assert (half["num_samples"], half["total"], half["coverage"]) == (15, len(BASE), 15 / len(BASE))


def test_the_console_says_within_what_width_scores_are_tied(runs: Path) -> None:
    done = command("compare", runs / "base", runs / "worse", "--tie", "0.75", folder=runs)
    assert "above, within and below ±0.75" in done.output


def test_the_warning_of_unequal_coverage_counts_what_an_unfinished_run_has_not_read(runs: Path) -> None:
    store(runs / "half", WORSE[:15], outcome="interrupted")
    done = command("compare", runs / "base", runs / "half", folder=runs)
    assert "coverage differs (base 30 of 30, half 15 of 30 samples have a score)" in done.output


def test_sentences_of_a_single_sample_are_in_the_singular(tmp_path: Path) -> None:
    for name, score in (("a", 4.0), ("b", 6.0)):
        store(tmp_path / name, [score])
    command("compare", tmp_path / "a", tmp_path / "b", folder=tmp_path)
    done = command("leaderboard", tmp_path, folder=tmp_path)
    told = done.output + written(tmp_path, ".md")
    assert "1 sample of" in told
    assert "1 samples" not in told


def test_an_unfinished_run_is_last_on_its_board_and_lacks_what_it_did_not_read(runs: Path) -> None:
    store(runs / "lucky", [10.0] * 15, outcome="interrupted")
    command("leaderboard", runs, folder=runs)
    board = json.loads(written(runs, ".json", "leaderboard"))["boards"][0]
    lucky = board["runs"][-1]
    assert lucky["name"] == "lucky"
    assert (lucky["overall"]["num_samples"], lucky["overall"]["total"]) == (15, board["samples"])
    assert lucky["overall"]["coverage"] == 15 / len(BASE)
    assert {name: one["total"] for name, one in lucky["categories"].items()} == board["categories"]


def test_pictures_that_were_deleted_change_no_figure(runs: Path) -> None:
    for picture in (runs / "worse" / "edits").rglob("*.png"):
        picture.unlink()
    assert command("compare", runs / "base", runs / "worse", folder=runs).exit_code == 0
    [sample, *_] = json.loads(written(runs, ".json"))["samples"]
    assert sample["runs"]["worse"]["image_path"] is None
    assert sample["runs"]["base"]["image_path"].startswith("edits/")


def test_bad_samples_are_without_a_score_and_not_another_set(tmp_path: Path) -> None:
    store(tmp_path / "one", BASE[:9], bad=2)
    store(tmp_path / "two", WORSE[:9], bad=2)
    assert command("compare", tmp_path / "one", tmp_path / "two", folder=tmp_path).exit_code == 0
    assert json.loads(written(tmp_path, ".json"))["pairs"][0]["overall"]["first_missing"] == 2


def test_runs_in_read_only_folders_are_compared_and_left_as_they_are(runs: Path) -> None:
    folders = [runs / "base", runs / "worse"]
    before = [sorted(folder.rglob("*")) for folder in folders]
    for folder in folders:
        (folder / RECORD_NAME).chmod(0o444)
        folder.chmod(0o555)
    try:
        done = weakened_command("compare", *map(str, folders), "--output-dir", str(runs / "written"))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert [sorted(folder.rglob("*")) for folder in folders] == before


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(runs: Path) -> None:
    (runs / "written").write_text("a file", encoding="utf-8")
    done = command("compare", runs / "base", runs / "worse", folder=runs)
    assert (done.exit_code, "--output-dir DIR" in done.output) == (3, True)


def version(folder: Path, number: int, *statements: str) -> None:
    """Makes it a record of an older version, which had no columns for public benchmarks and for how far edits go."""
    statements += ("ALTER TABLE edits DROP COLUMN change",)
    statements += ("ALTER TABLE samples DROP COLUMN cluster", "ALTER TABLE samples DROP COLUMN attributes")
    with sqlite3.connect(folder / RECORD_NAME) as database:
        for statement in statements:
            database.execute(statement)
        database.execute(f"PRAGMA user_version={number}")


def test_letters_of_runs_without_a_test_are_said_to_say_nothing(tmp_path: Path) -> None:
    for name, score in (("a", 4.0), ("b", 6.0)):
        store(tmp_path / name, [score])
    told = " ".join(command("compare", tmp_path / "a", tmp_path / "b", folder=tmp_path).output.split())
    assert "No difference could be tested on these samples" in told
    assert "cannot be told apart" not in told


@pytest.mark.parametrize(("count", "exit_code"), [(2, 3), (5, 3), (6, 0)])
def test_the_gate_does_not_pass_on_a_few_equal_samples(tmp_path: Path, count: int, exit_code: int) -> None:
    for name in ("a", "b"):
        store(tmp_path / name, [5.0] * count)
    done = command("compare", tmp_path / "a", tmp_path / "b", "--fail-if-worse", "0", folder=tmp_path)
    assert done.exit_code == exit_code, done.output


def test_another_reference_picture_of_the_same_samples_is_refused_and_allowed_with_a_mark(tmp_path: Path) -> None:
    for name, colour in (("a", 1), ("b", 2)):
        store(tmp_path / name, [4.0, 5.0, 6.0], reference=LazyImage.from_bytes(png((colour, 0, 0))))
    done = command("compare", tmp_path / "a", tmp_path / "b", folder=tmp_path)
    told = " ".join(done.output.split())
    assert (done.exit_code, "3 samples have another reference picture in b than in a" in told) == (3, True), told
    done = command("compare", tmp_path / "a", tmp_path / "b", "--allow", "references", folder=tmp_path)
    assert (done.exit_code, "another reference picture" in " ".join(done.output.split())) == (0, True)


def test_a_record_of_the_version_before_is_read_and_its_references_are_not_known(runs: Path) -> None:
    columns = ("samples DROP COLUMN expected", "verdicts DROP COLUMN repeats", "verdicts DROP COLUMN prompts")
    version(runs / "base", 2, *(f"ALTER TABLE {column}" for column in columns))
    assert command("compare", runs / "base", runs / "worse", folder=runs).exit_code == 0


def test_a_record_of_an_older_version_is_read_and_one_of_a_later_version_is_refused(runs: Path) -> None:
    columns = ("runs DROP COLUMN left_out", "edits DROP COLUMN sha256")
    columns += ("edits DROP COLUMN source_size", "edits DROP COLUMN size", "samples DROP COLUMN expected")
    columns += ("verdicts DROP COLUMN repeats", "verdicts DROP COLUMN prompts")
    version(runs / "base", 1, *(f"ALTER TABLE {column}" for column in columns))
    assert command("compare", runs / "base", runs / "worse", folder=runs).exit_code == 0
    version(runs / "worse", 99)
    done = command("compare", runs / "base", runs / "worse", folder=runs)
    assert (done.exit_code, "has record version 99" in done.output) == (3, True)


def test_real_runs_are_made_comparable_by_judging_the_second_anew_without_editing(
    tmp_path: Path, write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    data, folders = write_benchmark(12), [tmp_path / "inverted", tmp_path / "painted"]
    judges = ("tests.plugins.BrightnessJudge", "tests.plugins.SourceJudge")
    editors = ("tests.plugins.InvertEditor", "tests.plugins.SeedEditor")

    def run(place: int, judge: str, *, resume: bool = False) -> dict[str, object]:
        config = make_config(
            data,
            diffusion_model={"class_path": editors[place]},
            reward_model={"class_path": judge},
            evaluation={"output_dir": str(folders[place]), "resume_from_checkpoint": resume},
        )
        report: dict[str, object] = evaluate(config).report["attempts"][-1]
        return report

    run(0, judges[0])
    run(1, judges[1])
    refused = command("compare", *folders, folder=tmp_path)
    assert (refused.exit_code, "which judges their edits anew and edits nothing" in refused.output) == (3, True)
    assert run(1, judges[0], resume=True)["edits_made"] == 0
    done = command("compare", *folders, folder=tmp_path)
    assert done.exit_code == 0, done.output
    assert json.loads(written(tmp_path, ".json"))["pairs"][0]["overall"]["pairs"] == 12


# Leaderboards.


def test_a_leaderboard_has_a_table_for_each_benchmark_and_judge(runs: Path) -> None:
    store(runs / "set" / "few", BASE[:10])
    store(runs / "judge" / "other", BASE, scorer={"class": "src.Else"})
    store(runs / "half", WORSE[:15], outcome="interrupted")
    store(runs / "empty", [])
    store(runs / "audited", BASE, editor={"class": "src.audit.probes.probes", "targets": "references"})
    (runs / "damaged").mkdir()
    (runs / "damaged" / RECORD_NAME).write_text("no database at all, but a text", encoding="utf-8")
    done = command("leaderboard", runs, folder=runs)
    assert done.exit_code == 0, done.output
    report = json.loads(written(runs, ".json", "leaderboard"))
    boards = [[run["name"] for run in board["runs"]] for board in report["boards"]]
    assert sorted(map(sorted, boards)) == [["base", "half", "worse"], ["few"], ["other"]]
    groups = {run["name"]: run["group"] for run in report["boards"][0]["runs"]}
    assert groups["base"] != groups["worse"]
    assert [Path(entry["folder"]).name for entry in report["skipped"]] == ["damaged", "empty"]
    assert "half (not finished)" in done.output
    assert "not shown" in done.output


def test_two_runs_of_one_folder_stand_on_a_leaderboard_under_their_keys(
    tmp_path: Path, write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    data = write_benchmark(5)
    for judge in ("BrightnessJudge", "SourceJudge"):
        evaluate(
            make_config(
                data,
                reward_model={"class_path": f"tests.plugins.{judge}"},
                evaluation={"output_dir": str(tmp_path / "out"), "resume_from_checkpoint": True},
            )
        )
    command("leaderboard", tmp_path, folder=tmp_path)
    boards = json.loads(written(tmp_path, ".json", "leaderboard"))["boards"]
    assert len(boards) == 2
    assert all(board["runs"][0]["name"].startswith("out (") for board in boards)


def test_a_folder_without_a_scored_run_has_no_leaderboard(tmp_path: Path) -> None:
    store(tmp_path / "empty", [])
    done = command("leaderboard", tmp_path, folder=tmp_path)
    assert (done.exit_code, "no run at or below" in done.output) == (1, True)
    assert command("leaderboard", tmp_path / "missing", folder=tmp_path).exit_code == 1
