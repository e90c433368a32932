"""The labelling page in a real browser: keys, languages, undo, pictures, and texts that would run if they could."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from src.reporting.calibration.labels import read_labels
from src.reporting.stored_runs import StoredRun
from tests.browser import OpenPage, opened_in
from tests.label_pages import EVIL, SAMPLES, labelling, two_runs, two_runs_of_text_alone

pytestmark = pytest.mark.browser

SHOWN = "which => document.getElementById(which).naturalWidth > 0"
COUNT = "wanted => document.getElementById('count').textContent === wanted"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRun]:
    return two_runs(tmp_path_factory.mktemp("runs"))


def press(shown: OpenPage, key: str, done: int) -> None:
    """Answers, and waits until so many are stored and the next pictures are there."""
    shown.page.keyboard.press(key)
    shown.until(COUNT, f"{done} of {SAMPLES}")
    if done < SAMPLES:
        shown.until(SHOWN, "source")


def test_a_rater_scores_by_keys_alone_and_takes_back(browser: Any, runs: list[StoredRun], tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as served, opened_in(browser, locale="en-US") as shown:
        shown.page.goto(served.address)
        shown.until(SHOWN, "edit")
        for done, key in enumerate(["0", "7", "x"], 1):
            press(shown, key, done)
        press(shown, "z", 2)
        press(shown, "9", 3)
        for done in range(4, SAMPLES + 1):
            press(shown, "5", done)
        assert shown.page.locator("#done").is_visible()
        assert not shown.page.locator("#task").is_visible()
        assert (shown.errors, shown.violations) == ([], [])
        assert {url.split("/")[2] for url in shown.requests if url.startswith("http")} == {served.url.split("/")[2]}
        assert not any(served.token in url for url in shown.requests[1:])
    assert [label.score for label in read_labels(file)] == [0, 7, 9, 5, 5, 5, 5, 5]


def test_a_rater_chooses_between_two_by_arrows_and_sees_the_source_behind_them(
    browser: Any, runs: list[StoredRun], tmp_path: Path
) -> None:
    file = tmp_path / "labels.jsonl"
    with labelling(runs, file) as served, opened_in(browser, locale="en-US") as shown:
        shown.page.goto(served.address)
        shown.until(SHOWN, "right")
        source, left = (shown.page.locator(f"#{which}").get_attribute("src") for which in ("source", "left"))
        shown.page.keyboard.down(" ")
        shown.until("url => document.getElementById('left').src === url", source)
        shown.page.keyboard.up(" ")
        shown.until("url => document.getElementById('left').src === url", left)
        for done, key in enumerate(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], 1):
            press(shown, key, done)
        assert (shown.errors, shown.violations) == ([], [])
    stored = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    others = {"a": "b", "b": "a"}
    left = [line["left"] for line in stored]
    assert [line["winner"] for line in stored] == [left[0], others[left[1]], "tie", "both_bad"]


def test_a_rater_of_pictures_of_text_alone_sees_no_source_and_no_word_of_one(browser: Any, tmp_path: Path) -> None:
    runs = two_runs_of_text_alone(tmp_path)
    file = tmp_path / "labels.jsonl"
    with labelling(runs[:1], file) as served, opened_in(browser, locale="en-US") as shown:
        shown.page.goto(served.address)
        shown.until(SHOWN, "edit")
        assert not shown.page.locator("#source").is_visible()
        assert shown.page.locator("#title").inner_text() == "How good is this picture?"
        assert "source" not in shown.page.locator("main").inner_text()
        edit = shown.page.locator("#edit").get_attribute("src")
        shown.page.keyboard.press(" ")
        assert shown.page.locator("#edit").get_attribute("src") == edit
        shown.page.keyboard.press("7")
        shown.until(COUNT, f"1 of {SAMPLES}")
        assert (shown.errors, shown.violations) == ([], [])
    with labelling(runs, tmp_path / "choices.jsonl") as served, opened_in(browser, locale="en-US") as shown:
        shown.page.goto(served.address)
        shown.until(SHOWN, "right")
        assert not shown.page.locator("#source").is_visible()
        assert (shown.errors, shown.violations) == ([], [])
    assert [label.score for label in read_labels(file)] == [7]


def test_an_instruction_that_would_run_is_shown_as_text(browser: Any, runs: list[StoredRun], tmp_path: Path) -> None:
    with labelling(runs[:1], tmp_path / "labels.jsonl") as served, opened_in(browser) as shown:
        shown.page.goto(served.address)
        shown.until(SHOWN, "edit")
        assert shown.page.locator("#instruction").inner_text().startswith(EVIL)
        assert shown.page.locator("#instruction img").count() == 0
        assert (shown.errors, shown.violations) == ([], [])


def test_the_page_speaks_the_browsers_language_and_the_other_one(
    browser: Any, runs: list[StoredRun], tmp_path: Path
) -> None:
    with labelling(runs, tmp_path / "labels.jsonl") as served, opened_in(browser, locale="zh-CN") as shown:
        shown.page.goto(served.address)
        shown.until("() => document.getElementById('count').textContent !== ''")
        assert shown.page.locator("#title").inner_text() == "哪个编辑结果更好？"
        assert shown.page.locator("html").get_attribute("lang") == "zh"
        shown.page.locator("#language").click()
        assert shown.page.locator("#title").inner_text() == "Which edit is better?"


def test_without_its_token_the_page_says_what_to_open(browser: Any, runs: list[StoredRun], tmp_path: Path) -> None:
    with labelling(runs[:1], tmp_path / "labels.jsonl") as served, opened_in(browser, locale="en-US") as shown:
        shown.page.goto(served.url)
        shown.until("() => !document.getElementById('problem').hidden")
        assert "open the address that the command printed" in shown.page.locator("#problem").inner_text()
