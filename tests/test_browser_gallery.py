"""The gallery in a real browser: filters, orders, the chart that filters, keys and addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.reporting.page.model import Card, Outcome, Page, Word
from tests.browser import OpenPage
from tests.browser_cards import COUNT, FAILED, name, report_page, state, tiny, written

pytestmark = pytest.mark.browser


IN_SIGHT = "name => [...document.querySelectorAll('.card code')].some(node => node.textContent === name)"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(report_page(), tmp_path_factory.mktemp("page"))


# Filters and orders.


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("category", "环境", lambda number: number % 3 == 1),
        ("difficulty", "hard", lambda number: number % 2 == 1),
        ("tag", "light", lambda number: number < 5),
        ("status", "edit_failed", lambda number: number % 10 == FAILED),
    ],
)
def test_a_choice_shows_exactly_the_samples_that_have_it(
    tab: OpenPage, path: Path, field: str, value: str, kept: Any
) -> None:
    tab.open(path)
    assert tab.count == f"{COUNT} of {COUNT} samples"
    tab.page.select_option(f"#{field}", value)
    wanted = [name(number) for number in range(COUNT) if kept(number)]
    assert tab.count == f"{len(wanted)} of {COUNT} samples"
    assert tab.ids == wanted[: len(tab.ids)]
    assert f"{field}={value}" in state(tab)
    tab.page.reload()
    assert tab.count == f"{len(wanted)} of {COUNT} samples", "the address holds the filter"
    tab.page.click("#reset")
    assert tab.count == f"{COUNT} of {COUNT} samples"


def test_words_are_found_in_either_language_and_scores_by_their_range(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    tab.page.fill("#q", "blue BOX 7")
    assert set(tab.ids) == {name(7), name(17), name(27)}
    tab.page.fill("#q", "盒子12")
    assert tab.ids == [name(12)]
    tab.page.fill("#q", "nothing like it")
    assert tab.page.locator("#none").is_visible()
    tab.page.fill("#q", "")
    tab.page.fill("#low", "9")
    scores = {number: (number * 7 % 30) / 3 for number in range(COUNT) if number % 10 != FAILED}
    assert set(tab.ids) == {name(number) for number, score in scores.items() if score >= 9}
    tab.page.fill("#low", "")
    tab.page.fill("#high", "0")
    assert set(tab.ids) == {name(number) for number, score in scores.items() if score <= 0}


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("sort_score", lambda number: number * 7 % 30),
        ("sort_score_down", lambda number: -(number * 7 % 30)),
        ("sort_disagreement", lambda number: -(number % 5)),
        ("sort_difference_down", lambda number: -number),
    ],
)
def test_an_order_puts_samples_without_the_value_last(tab: OpenPage, path: Path, order: str, key: Any) -> None:
    tab.open(path, f"#?sort={order}")
    lacking = {number for number in range(COUNT) if number % 10 == FAILED and "difference" not in order}
    wanted = sorted(range(COUNT), key=lambda number: (number in lacking, key(number), number))
    assert tab.ids == [name(number) for number in wanted][: len(tab.ids)]
    assert tab.page.input_value("#sort") == order
    tab.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    if lacking:
        tab.until(IN_SIGHT, name(24))


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__"])
def test_an_address_that_names_what_every_object_has_shows_the_page_as_without_it(
    tab: OpenPage, path: Path, name: str
) -> None:
    tab.open(path)
    plain = tab.ids
    instructions = tab.page.locator(".card").first.inner_text()
    tab.open(path, f"#?sort={name}&lang={name}&view={name}")
    assert tab.ids == plain
    assert plain
    assert tab.page.locator(".card").first.inner_text() == instructions


def test_an_order_by_time_counts_edit_and_judgement(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#?sort=sort_seconds")
    assert tab.ids[:5] == [name(number) for number in (5, 11, 17, 23, 29)]


def test_a_run_beside_the_pages_own_is_shown_and_changes_no_filter_and_no_order(tab: OpenPage, tmp_path: Path) -> None:
    def beside(number: int) -> Card:
        own, theirs = float(number), Outcome("their run", tiny("their run", 9, 9, 9), "refused", beside=True)
        if number:
            theirs = Outcome("their run", tiny("their run", 9, 9, 9), "scored", 10.0 - number**2, beside=True)
        mine = Outcome("my run", tiny(Word("edited"), 1, 1, 1), "scored", own)
        return Card(str(number), outcomes=[mine, theirs], difference=own - 10.0 + number**2 if number else None)

    tab.open(written(Page("t", cards=[beside(number) for number in range(3)]), tmp_path), "#?sort=sort_difference_down")
    assert tab.ids == ["2", "1", "0"], "−4, −8, and none"
    text = tab.page.locator(".card").first.inner_text()
    for wanted in ("my run", "2.00", "their run", "6.00", "Δ -4.00"):
        assert wanted in text
    tab.page.select_option("#sort", "sort_score_down")
    assert tab.ids == ["2", "1", "0"], "by the page's own run; by both, 1 would be first"
    assert tab.page.locator("#status option").count() == 2, "all, and scored"


def test_a_row_of_the_chart_filters_and_the_radar_is_the_second_view(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    assert tab.page.locator(".chart .whisker").count() == 9, "three bars with two ends"
    tab.page.locator(".chart .row.link").nth(1).click()
    assert tab.count == f"10 of {COUNT} samples"
    tab.page.get_by_text("Radar").click()
    assert tab.page.locator("svg.radar circle").count() == 3
    assert "view=radar" in state(tab)


# Keys and addresses.


def test_the_gallery_is_walked_by_keys(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    focused = "document.activeElement.querySelector('code')?.textContent"
    tab.page.keyboard.press("ArrowDown")
    assert tab.page.evaluate(focused) == name(0)
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.evaluate(focused) == name(1)
    columns = len({box["x"] for box in (one.bounding_box() for one in tab.page.locator(".card").all())})
    tab.page.keyboard.press("ArrowDown")
    assert tab.page.evaluate(focused) == name(1 + columns)
    for _ in range(COUNT):
        tab.page.keyboard.press("ArrowDown")
    assert tab.page.evaluate(focused) == name(COUNT - 1)
    assert tab.page.evaluate("scrollY") > 0
    tab.page.keyboard.press("Enter")
    assert tab.page.locator("#viewer-title").inner_text() == name(COUNT - 1)
    tab.page.keyboard.press("ArrowLeft")
    assert tab.page.locator("#viewer-title").inner_text() == name(COUNT - 2)
    tab.page.keyboard.press("Escape")
    assert tab.page.evaluate(focused) == name(COUNT - 2), "the focus is where the reader was"
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("box 3 ld")
    assert tab.page.input_value("#q") == "box 3 ld", "letters that are keys are letters in a field"
    assert tab.page.evaluate("document.documentElement.lang") == "en"


def test_an_address_opens_a_card_within_its_filters(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#sample%2004%2F%3F%23?category=%E7%8E%AF%E5%A2%83&sort=sort_score")
    assert tab.page.locator("#viewer-title").inner_text() == name(4)
    assert "the editor is out of memory" in tab.page.locator("#viewer").inner_text()
    assert tab.count == f"10 of {COUNT} samples"
    link = tab.page.locator(".link-to").get_attribute("href")
    tab.page.keyboard.press("Escape")
    tab.page.evaluate(f"location.hash = {link!r}")
    tab.page.wait_for_selector("#viewer[open]")
    tab.page.keyboard.press("Escape")
    tab.page.locator("table a").click()
    tab.page.wait_for_selector("#viewer[open]")


def test_an_address_of_no_card_says_so(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#%E0%A4%A")
    assert "No sample of this page has the id %E0%A4%A." in tab.page.locator("#unknown").inner_text()
    assert not tab.page.locator("#viewer").is_visible()
