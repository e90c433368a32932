"""The pages of comparisons and leaderboards: what they hold, and that nothing in them can run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from src.data.verdict import Status
from src.reporting.comparison import compare
from src.reporting.leaderboard import build_leaderboard
from src.reporting.mismatch import Difference
from src.reporting.page.comparison_page import comparison_page
from src.reporting.page.leaderboard_page import leaderboard_page
from src.reporting.page.model import Page, Word
from src.reporting.page.render import render_page, words
from src.reporting.stored_runs import StoredRun, runs_to_compare
from tests.comparable_runs import changed, judged_by, run, store
from tests.sample_results import HOSTILE
from tests.test_comparison import ALIKE, BASE, WORSE

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def built(runs: list[StoredRun], folder: Path, *allowed: Difference) -> Page:
    return comparison_page(runs, compare(runs, allowed).report, folder)


def test_a_card_has_the_edit_and_score_of_every_run_side_by_side(tmp_path: Path) -> None:
    places = [store(tmp_path / name, scores) for name, scores in (("base", BASE[:6]), ("new", ALIKE[:6]))]
    page = built(runs_to_compare(places), tmp_path)
    assert [card.id for card in page.cards] == [f"{place:05d}" for place in range(6)]
    card = page.cards[2]
    assert [one.name for one in card.outcomes] == ["base", "new"]
    assert [one.score for one in card.outcomes] == [BASE[2], ALIKE[2]]
    assert card.difference == pytest.approx(ALIKE[2] - BASE[2])
    assert all(one.picture is not None and one.picture.thumbnail.startswith("data:image/") for one in card.outcomes)
    assert "cannot be read any more" in card.inputs[0].missing


def test_a_side_without_a_score_or_a_picture_says_why_and_has_no_difference(tmp_path: Path) -> None:
    places = [store(tmp_path / name, scores) for name, scores in (("base", BASE[:3]), ("new", [5.0, None, 6.0]))]
    for picture in (tmp_path / "base" / "edits").rglob("*.png"):
        picture.unlink()
    page = built(runs_to_compare(places), tmp_path)
    assert page.cards[1].difference is None
    assert page.cards[1].outcomes[1].reason == "boom"
    assert page.cards[0].outcomes[0].picture is not None
    assert "not kept, or deleted" in page.cards[0].outcomes[0].picture.missing


def test_of_two_runs_the_page_has_all_groups_and_of_more_all_pairs(tmp_path: Path) -> None:
    runs = [run("base", BASE), run("alike", ALIKE), run("worse", WORSE)]
    two, three = built(runs[:2], tmp_path), built(runs, tmp_path)
    assert [row[0] for row in two.tables[1].rows] == ["all", *(row.label for row in two.charts[1].rows[1:])]
    assert len(two.tables[1].rows) == 1 + 5 + 3
    assert [row[0] for row in three.tables[1].rows] == ["alike − base", "worse − base", "worse − alike"]
    assert list(three.charts[0].series) == ["base", "alike", "worse"]
    assert len(two.tiles) == 4


@pytest.mark.parametrize("new", [ALIKE, WORSE, [0.0] * 60, [10.0 - score for score in BASE]])
def test_the_chart_of_differences_holds_every_interval_and_has_a_line_at_zero(new: list[float], tmp_path: Path) -> None:
    chart = built([run("base", BASE), run("new", new)], tmp_path).charts[1]
    low, high = chart.scale
    intervals = [mark.interval for row in chart.rows for mark in row.marks if mark is not None and mark.interval]
    assert intervals
    assert all(low <= interval[0] and interval[1] <= high for interval in intervals)
    assert any(low + (high - low) * tick / 5 == pytest.approx(0) for tick in range(6))


def test_marks_and_warnings_head_the_page_and_stand_on_its_tables(tmp_path: Path) -> None:
    other = replace(run("new", [*ALIKE[:59], None]), info=judged_by({"judge": {"class": "my.Else"}}))
    page = built([run("base", BASE), other], tmp_path, Difference.JUDGE)
    assert "my.Else" in page.notices[0]
    assert "coverage differs" in page.notices[1]
    assert all("not like with like" in table.note for table in page.tables)


def test_texts_from_data_run_nothing(tmp_path: Path) -> None:
    runs = [
        changed(run(name, scores), 1, instruction=EVIL, category=EVIL, tags=(EVIL,), replies=(EVIL,), sample_id=EVIL)
        for name, scores in ((EVIL, BASE), (HOSTILE, ALIKE))
    ]
    failed = changed(runs[1], 2, status=Status.JUDGE_FAILED, score=None, reason=EVIL)
    html = render_page(built([runs[0], failed], tmp_path))
    assert "<img src=x" not in html
    assert html.count("<script>") == 1, "the page's own"
    assert "alert(1)" in html


def test_every_word_of_the_pages_is_known_in_both_languages(tmp_path: Path) -> None:
    store(tmp_path / "base", BASE)
    store(tmp_path / "empty", [])
    pages = [
        built([run("base", BASE), run("new", ALIKE)], tmp_path),
        built([run("base", BASE), run("new", ALIKE), run("worse", WORSE)], tmp_path),
        leaderboard_page(build_leaderboard(tmp_path)),
    ]
    for page in pages:
        texts = [page.title, *(tile.label for tile in page.tiles), *(chart.title for chart in page.charts)]
        texts += [text for table in page.tables for text in (table.title, table.note, *table.columns)]
        used = [text for text in texts if isinstance(text, Word)]
        assert used
        assert all(len(words()[word]) == 2 for word in used)
        assert render_page(page).startswith("<!doctype html>")


def test_the_groups_of_a_leaderboard_are_by_p_values_adjusted_for_all_its_pairs(tmp_path: Path) -> None:
    """Of 12 differences of mean 0.3 and deviation 0.4, t = 2.6 and p = 0.025: three times that is no difference."""
    noise = [0.4 * sign * (11 / 12) ** 0.5 for sign in (1, -1) * 6]
    scores = {
        "base": BASE[:12],
        "again": [score + 0.001 * (-1) ** place for place, score in enumerate(BASE[:12])],
        "better": [score + 0.3 + each for score, each in zip(BASE[:12], noise, strict=True)],
    }
    alone = compare([run("base", scores["base"]), run("better", scores["better"])]).pairs[0].overall
    assert alone.p == pytest.approx(0.0247, abs=1e-3)
    for name, given in scores.items():
        store(tmp_path / name, given)
    (board,) = build_leaderboard(tmp_path)["boards"]
    assert {row["name"]: row["group"] for row in board["runs"]} == dict.fromkeys(scores, "a")


def test_a_leaderboard_shows_its_runs_by_mean_and_what_is_not_shown(tmp_path: Path) -> None:
    store(tmp_path / "base", BASE)
    store(tmp_path / "worse", WORSE)
    store(tmp_path / EVIL.replace("/", "∕"), [None])
    page = leaderboard_page(build_leaderboard(tmp_path))
    assert [row[0] for row in page.tables[0].rows] == ["base", "worse"]
    assert [len(row) for row in page.tables[1].rows] == [6, 6]
    assert "has no scored sample" in str(page.tables[-1].rows[0][1])
    assert "<img src=x" not in render_page(page)
