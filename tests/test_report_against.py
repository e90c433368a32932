"""`report RUN --against OTHER`: the other run's scores and pictures on the page, or what `compare` refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from main import app
from src.config import Config
from src.errors import ComparisonError, DataError
from src.pipeline.evaluation import evaluate
from src.reporting.comparison import compare_pair
from src.reporting.page.against import against
from src.reporting.stored_runs import latest_run
from tests.comparable_runs import store
from tests.pages import page_data, pictures
from tests.test_comparison import ALIKE, BASE

SAMPLES = 4
Run = Callable[..., Path]


@pytest.fixture
def run(write_benchmark: Callable[..., Path], make_config: Callable[..., Config], tmp_path: Path) -> Run:
    """Makes a finished run of four samples under a name; keyword arguments are sections of its config."""
    data = write_benchmark(SAMPLES)

    def make(name: str, **sections: dict[str, Any]) -> Path:
        config = make_config(data, **sections)
        evaluate(config.moved_to(tmp_path / name))
        return tmp_path / name

    return make


def reported(*words: object) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_the_report_of_a_run_whose_benchmark_broke_off_says_that_it_is_not_complete(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config], tmp_path: Path
) -> None:
    data = write_benchmark(30)
    data.write_bytes(data.read_bytes()[: data.stat().st_size * 2 // 5])
    with pytest.raises(DataError, match="breaks off"):
        evaluate(make_config(data))
    result = reported(tmp_path / "out")
    assert result.exit_code == 0
    said = "the run is not complete (failed): samples that it has not read are not counted; go on with --resume"
    assert said in " ".join(result.output.split())
    assert said in written(tmp_path / "out", "*.html")
    assert said[4:] in written(tmp_path / "out", "*.md")


def written(run_dir: Path, pattern: str) -> str:
    (path,) = (run_dir / "results").glob(pattern)
    return path.read_text(encoding="utf-8")


def pages(run_dir: Path) -> list[Path]:
    return sorted((run_dir / "results").glob("*.html"))


def test_a_card_shows_both_scores_both_edits_and_their_difference(run: Run) -> None:
    new, old = run("new"), run("old", diffusion_model={"class_path": "tests.plugins.SeedEditor"})
    done = reported(new, "--against", old)
    assert done.exit_code == 0, done.output
    theirs = latest_run(old).by_id
    data = page_data(pages(new)[-1].read_text(encoding="utf-8"))
    assert len(data["cards"]) == SAMPLES
    for card in data["cards"]:
        own, other = card["outcomes"]
        assert (own["name"], other["name"], other["beside"], "beside" in own) == ("new", "old", True, False)
        assert other["score"] == theirs[card["id"]].score
        assert card["difference"] == pytest.approx(own["score"] - other["score"])
        assert len(pictures(card)) == 4
        assert all("missing" not in picture for picture in pictures(card))


def test_the_page_states_the_paired_difference_of_compare(tmp_path: Path) -> None:
    old, new = store(tmp_path / "old", BASE), store(tmp_path / "new", ALIKE)
    one, other = (replace(latest_run(folder), name=folder.name) for folder in (old, new))
    assert against(new, old).overall == compare_pair(one, other, 0.5).overall
    assert against(new, old).tile().note.endswith("− old")


def test_a_sample_without_a_score_in_one_of_the_runs_has_no_difference(tmp_path: Path) -> None:
    old = store(tmp_path / "old", [1.0, None, 3.0, 4.0])
    beside = against(store(tmp_path / "new", [2.0, 5.0, None, 4.0]), old)
    found = [beside.difference(f"{place:05d}", score) for place, score in enumerate([2.0, 5.0, None, 4.0])]
    assert found == [1.0, None, None, 0.0]
    assert beside.difference("a sample that the other run lacks", 5.0) is None


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"reward_model": {"class_path": "tests.plugins.SourceJudge"}}, "judge: "),
        ({"benchmark": {"limit": SAMPLES - 1}}, "samples: "),
        ({"reward_model": {"class_path": "tests.plugins.FaultyJudge", "params": {"marks": []}}}, "judge: "),
    ],
)
def test_what_compare_refuses_is_refused_in_the_same_words_and_nothing_is_written(
    run: Run, section: dict[str, Any], told: str, tmp_path: Path
) -> None:
    new, other = run("new"), run("other", **section)
    done = reported(new, "--against", other, "--output-dir", tmp_path / "written")
    compared = CliRunner().invoke(app, ["compare", str(other), str(new), "--output-dir", str(tmp_path / "compared")])
    assert (done.exit_code, compared.exit_code) == (3, 3)
    assert told in done.output
    assert compared.output.startswith(done.output.rstrip())
    assert not (tmp_path / "written").exists()


def test_a_run_without_any_score_is_refused(tmp_path: Path) -> None:
    old, new = store(tmp_path / "old", [1.0, 2.0]), store(tmp_path / "new", [None, None])
    with pytest.raises(ComparisonError, match="none of the 2 samples of new has a score"):
        against(new, old)


def test_a_run_is_not_put_beside_itself(run: Run) -> None:
    new = run("new")
    done = reported(new, "--against", new)
    assert done.exit_code == 3
    assert "cannot be compared with itself" in done.output
    assert len(pages(new)) == 1


def test_a_run_without_another_has_no_difference_and_no_names(run: Run) -> None:
    [page] = pages(run("new"))
    for card in page_data(page.read_text(encoding="utf-8"))["cards"]:
        assert "difference" not in card
        assert "name" not in card["outcomes"][0]
