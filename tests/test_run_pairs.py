"""`data pairs`: finished runs become preference pairs, by labels of people or by their scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from main import app
from src.data.image import content_hash
from src.data.preferences import PreferencePair, load_preferences
from src.errors import ComparisonError, ConfigError, DataError
from src.pipeline.run_pairs import write_run_pairs
from src.reporting.stored_runs import StoredRun
from tests.label_pages import two_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRun]:
    return two_runs(tmp_path_factory.mktemp("runs"))


def pairs_in(path: Path) -> list[PreferencePair]:
    found = list(load_preferences(str(path)))
    assert all(isinstance(pair, PreferencePair) for pair in found), found
    return found  # type: ignore[return-value]


def test_the_run_with_the_higher_score_wins_by_the_gap_of_the_scores(runs: list[StoredRun], tmp_path: Path) -> None:
    written = write_run_pairs(runs, tmp_path / "pairs.jsonl", least_gap=0.25)
    found = {pair.pair_id: pair for pair in pairs_in(tmp_path / "pairs.jsonl")}
    gaps = {f"{name}-0-1": (row.score or 0) - (runs[1].by_id[name].score or 0) for name, row in runs[0].by_id.items()}
    expected = {name: gap for name, gap in gaps.items() if abs(gap) >= 0.25}
    assert expected
    assert {name: (pair.winner, pair.margin) for name, pair in found.items()} == {
        name: ("a" if gap > 0 else "b", pytest.approx(abs(gap))) for name, gap in expected.items()
    }
    assert written.pairs == len(expected)
    assert written.left_out == 0


def test_a_pair_has_the_sources_and_edits_of_the_runs(runs: list[StoredRun], tmp_path: Path) -> None:
    write_run_pairs(runs, tmp_path / "pairs.jsonl", least_gap=0)
    for pair in pairs_in(tmp_path / "pairs.jsonl"):
        name = pair.pair_id.removesuffix("-0-1")
        row = runs[0].by_id[name]
        assert content_hash(pair.source.read_bytes()) == row.source_sha256
        assert (pair.instruction, pair.category) == (row.instruction, row.category)
        for run, edit in zip(runs, pair.edits, strict=True):
            path = run.folder / (run.by_id[name].image_path or "")
            assert edit.read_bytes() == path.read_bytes()


def test_labels_of_people_become_pairs_one_for_each_rater(runs: list[StoredRun], tmp_path: Path) -> None:
    names = list(runs[0].by_id)
    keys = {name: [run.by_id[name].edit_key for run in runs] for name in names}
    lines = [
        {"sample_id": names[0], "winner": "b", "rater": "ann", "edit_keys": keys[names[0]]},
        {"sample_id": names[0], "winner": "tie", "rater": "bob", "edit_keys": keys[names[0]]},
        {"sample_id": names[1], "winner": "a", "rater": "ann", "edit_keys": keys[names[1]]},
    ]
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    done = CliRunner().invoke(
        app,
        ["data", "pairs", str(tmp_path / "pairs.jsonl"), *(str(run.folder) for run in runs), "--labels", str(labels)],
    )
    assert done.exit_code == 0, done.output
    assert "3 pairs" in done.output
    found = {pair.pair_id: pair.winner for pair in pairs_in(tmp_path / "pairs.jsonl")}
    assert found == {f"{names[0]}-0-1-ann": "b", f"{names[0]}-0-1-bob": "tie", f"{names[1]}-0-1-ann": "a"}


def test_labels_of_other_edits_are_refused(runs: list[StoredRun], tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    name = next(iter(runs[0].by_id))
    labels.write_text(json.dumps({"sample_id": name, "winner": "a", "edit_keys": ["x", "y"]}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="another edit"):
        write_run_pairs(runs, tmp_path / "pairs.jsonl", labels)


def test_scores_of_single_edits_are_no_choices(runs: list[StoredRun], tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    name = next(iter(runs[0].by_id))
    labels.write_text(json.dumps({"sample_id": name, "score": 4}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="pairs need choices"):
        write_run_pairs(runs, tmp_path / "pairs.jsonl", labels)


def test_a_gap_that_no_pair_has_is_named_and_nothing_is_written(runs: list[StoredRun], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a gap of 11 at least"):
        write_run_pairs(runs, tmp_path / "pairs.jsonl", least_gap=11)
    assert not list(tmp_path.iterdir())


def test_runs_that_were_judged_in_different_ways_make_no_pairs_by_score(runs: list[StoredRun], tmp_path: Path) -> None:
    other = replace(runs[1], info=replace(runs[1].info, scorer={**runs[1].info.scorer, "judge": {"class": "other"}}))
    with pytest.raises(ComparisonError):
        write_run_pairs([runs[0], other], tmp_path / "pairs.jsonl")


def test_an_output_of_another_kind_is_refused(runs: list[StoredRun], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.jsonl"):
        write_run_pairs(runs, tmp_path / "pairs.csv")
