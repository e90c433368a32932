"""The page in a real browser: languages, colours, paper, ten thousand samples, and no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from src.reporting.page.model import Card, Chart, ChartRow, Mark, Outcome, Page, Word
from src.reporting.page.render import render_page
from tests.browser import OpenPage, opened_in
from tests.browser_cards import COUNT, report_page, tiny, written

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(report_page(), tmp_path_factory.mktemp("page"))


def test_the_page_speaks_chinese_on_a_key(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    tab.page.keyboard.press("l")
    assert tab.page.evaluate("document.documentElement.lang") == "zh"
    assert tab.page.locator("h1").inner_text() == "评测报告"
    assert "把盒子0涂成蓝色" in tab.page.locator(".card").first.inner_text()
    assert tab.count == f"{COUNT} 个样本中的 {COUNT} 个"
    tab.page.reload()
    assert tab.page.locator("h1").inner_text() == "评测报告"
    tab.page.click("#language")
    assert tab.page.locator("h1").inner_text() == "Evaluation report"


def brightness(tab: OpenPage) -> float:
    red, green, blue = re.findall(r"\d+", tab.page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    return (int(red) + int(green) + int(blue)) / 3


def test_the_page_is_dark_where_the_reader_wants_it(tab: OpenPage, path: Path, browser: Any) -> None:
    tab.open(path)
    assert brightness(tab) > 200
    tab.page.keyboard.press("d")
    assert brightness(tab) < 60
    tab.page.reload()
    assert brightness(tab) < 60
    with opened_in(browser, color_scheme="dark") as other:
        other.open(path)
        assert brightness(other) < 60
        other.page.click("#theme")
        assert brightness(other) > 200


def test_no_figure_of_a_chart_is_cut_off_however_many_samples_there_are(tab: OpenPage, tmp_path: Path) -> None:
    rows = [
        ChartRow("a", [Mark(9.99, (-10.25, 10.25), "1999999/2000000")]),
        ChartRow("b", [None, Mark(None, None, "0/2022202")]),
    ]
    charts = [Chart("many", rows, ("x", "y"), (-10.0, 10.0)), Chart("few", [ChartRow("c", [Mark(5.0, (4, 6), "9/9")])])]
    (tmp_path / "page.html").write_text(render_page(Page("report", charts=charts)), encoding="utf-8")
    tab.open(tmp_path / "page.html")
    left = tab.page.evaluate(
        """() => [...document.querySelectorAll(".chart svg")].map((chart) => {
        const boxes = [...chart.querySelectorAll(".value")].map((text) => text.getBBox());
        return Math.min(...boxes.map((box) => chart.viewBox.baseVal.width - box.x - box.width));
        })"""
    )
    assert len(left) == 2
    assert min(left) >= 0


def test_all_chosen_cards_are_printed(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#?difficulty=hard")
    assert tab.page.pdf().startswith(b"%PDF")
    tab.page.emulate_media(media="print")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.page.locator(".card").count() == COUNT // 2
    assert not tab.page.locator("#q").is_visible()
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.page.locator(".card").count() > 0


def test_ten_thousand_samples_keep_few_nodes_in_the_document(tab: OpenPage, tmp_path: Path) -> None:
    picture = tiny(Word("source"), 1, 2, 3)
    cards = [
        Card(f"s{number}", inputs=[picture], outcomes=[Outcome(score=1.0, status="scored")]) for number in range(10_000)
    ]
    (tmp_path / "page.html").write_text(render_page(Page("t", cards=cards)), encoding="utf-8")
    tab.open(tmp_path / "page.html")
    assert tab.page.locator(".card").count() < 60
    tab.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    tab.until("() => [...document.querySelectorAll('.card code')].some(node => node.textContent === 's9999')")
    assert tab.page.locator(".card").count() < 60
    tab.until("() => [...document.querySelectorAll('.card img')].every(node => node.naturalWidth === 32)")


def test_the_page_asks_nothing_of_the_network(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    assert [request for request in tab.requests if not request.startswith("data:")] == [path.as_uri()]
