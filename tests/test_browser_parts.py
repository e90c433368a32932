"""A page with very many cards in a real browser: files beside it are loaded as their cards come into sight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from src.reporting.page import gallery
from src.reporting.page.model import Card, Outcome, Page, Picture, Word
from src.reporting.page.parts import CARDS_A_PART
from src.reporting.page.render import page_parts
from tests.browser import OpenPage
from tests.browser_cards import card

pytestmark = pytest.mark.browser

COUNT = 20 * CARDS_A_PART
HOSTILE = '</script><script>window.hacked = 1</script> " \\ \u2028 __proto__'


def shown(number: int) -> Card:
    made = card(number % 30)
    outcome = replace(
        made.outcomes[0],
        status="scored",
        score=number * 10 / COUNT,
        dimensions={"__proto__": 4.0, HOSTILE: 5.0},
        prompts=[[Word("mark_user"), f"asked about {number}\nline {HOSTILE}"]],
        replies=[HOSTILE],
    )
    return replace(made, id=f"s{number}", outcomes=[outcome], instruction={"en": f"Paint box {number} blue {HOSTILE}"})


def written(folder: Path, cards: Sequence[Card]) -> Path:
    path = folder / "report 100%.html"
    backwards = iter(reversed(cards))  # the order of the files is not that of the page
    page = Page(Word("report"), "editor", **gallery.gallery([one.id for one in cards], backwards))
    path.write_text("".join(page_parts(page, path)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "IN_ONE_FILE", COUNT - 1)
        yield written(tmp_path_factory.mktemp("parts"), [shown(number) for number in range(COUNT)])


def loaded(tab: OpenPage) -> list[str]:
    return [request for request in tab.requests if request.endswith(".js")]


def until_pictures(tab: OpenPage, card_id: str) -> None:
    tab.until(
        """id => [...document.querySelectorAll(".card")].some((card) => card.querySelector("code").textContent === id
        && card.querySelectorAll("img").length === 3
        && [...card.querySelectorAll("img")].every((image) => image.complete && image.naturalWidth))""",
        card_id,
    )


def test_only_the_files_of_cards_in_sight_are_loaded_and_the_policy_allows_nothing_else(
    tab: OpenPage, path: Path
) -> None:
    tab.open(path)
    until_pictures(tab, "s0")
    assert str(COUNT) in tab.count
    assert 1 <= len(loaded(tab)) <= 4
    assert len(list(path.with_name("report 100%_samples").iterdir())) == 20
    assert tab.violations == []
    tab.page.evaluate(
        """() => {
        const node = document.createElement("div");
        node.innerHTML = '<img src="x" onerror="window.ran = 1">';
        document.body.append(node);
        }"""
    )
    tab.until("() => window.violations.length > 0")
    assert tab.page.evaluate("[window.ran, window.hacked]") == [None, None]


def test_filters_orders_and_the_search_need_no_file(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    until_pictures(tab, "s0")
    before = len(loaded(tab))
    tab.page.fill("#q", "box 411 blue")
    assert tab.ids == ["s411"]
    until_pictures(tab, "s411")
    assert len(loaded(tab)) <= before + 1
    tab.page.fill("#q", "")
    tab.page.select_option("#sort", "sort_score_down")
    until_pictures(tab, f"s{COUNT - 1}")
    assert tab.ids[:3] == [f"s{COUNT - 1}", f"s{COUNT - 2}", f"s{COUNT - 3}"]
    tab.page.select_option("#category", "环境")
    until_pictures(tab, tab.ids[0])
    assert tab.violations == []


def test_an_address_opens_a_card_whose_file_is_not_loaded_yet_with_all_that_was_said(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#s500")
    tab.until("() => document.getElementById('viewer').open")
    text = tab.page.locator("#viewer").evaluate("node => node.textContent")
    assert "asked about 500" in text
    assert HOSTILE in text
    assert "__proto__" in text
    tab.page.keyboard.press("ArrowRight")
    tab.until("() => document.getElementById('viewer-title').textContent === 's501'")
    tab.page.keyboard.press("Escape")
    tab.until("() => !document.getElementById('viewer').open")
    assert tab.page.evaluate("window.hacked") is None
    assert tab.violations == []


def test_scrolling_through_everything_keeps_a_bounded_number_of_cards_whole(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    until_pictures(tab, "s0")
    height = tab.page.evaluate("document.documentElement.scrollHeight")
    for top in range(0, height, 700):
        tab.page.evaluate("top => scrollTo(0, top)", top)
        tab.page.wait_for_timeout(10)
    until_pictures(tab, f"s{COUNT - 1}")
    assert len(set(loaded(tab))) == 20
    assert len(loaded(tab)) == 20, "each file once"


def test_a_missing_file_costs_its_own_cards_and_says_its_name(tab: OpenPage, path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    tab.open(copy, "#s3")
    tab.until("() => document.getElementById('viewer').open")
    assert "report%20100%25_samples/" in tab.page.locator("#viewer .missing").first.inner_text()
    assert "Paint box 3 blue" in tab.page.locator("#viewer").inner_text()


def test_a_picture_that_has_a_file_is_shown_from_there(
    tab: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "IN_ONE_FILE", 1)
    Image.new("RGB", (300, 200), (9, 9, 90)).save(tmp_path / "edit.png")
    linked = Picture(Word("edited"), full="./edit.png", size=(300, 200))
    gone = Picture(Word("edited"), full="./gone.png", size=(300, 200))
    cards = [Card(id=name, outcomes=[Outcome(picture=one)]) for name, one in (("a", linked), ("b", gone))]
    tab.open(written(tmp_path, cards))
    tab.until("() => [...document.images].some((image) => image.naturalWidth === 300)")
    tab.page.locator(".card").first.click()
    tab.until("() => document.querySelector('#viewer img').naturalWidth === 300")
    assert tab.violations == []
