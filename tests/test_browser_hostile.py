"""What others write, in a real browser: it is shown as text, and nothing of it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from src.reporting.page.model import Card, Chart, ChartRow, Link, Mark, Outcome, Page, Picture, Table, Tile, Word
from src.reporting.page.render import render_page
from tests.browser import OpenPage
from tests.browser_cards import COUNT, report_page, tiny, written

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(report_page(), tmp_path_factory.mktemp("page"))


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "'><svg onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "<!--<script>",
    "\u2028window.hacked = 1\u2029",
    "]]>{{ hacked }}{% hacked %}${window.hacked=1}`",
]


def hostile_page(text: str) -> Page:
    picture = tiny(text, 1, 2, 3)
    outcome = Outcome(
        *(text, picture, text, None, {text: 5.0}, None, text, text, text, [text], [text]), facts={text: text}
    )
    card = Card(
        text,
        text,
        text,
        text,
        [text],
        {"en": text, text: text},
        text,
        [picture],
        Picture(text, missing=text),
        [outcome],
    )
    table = Table(text, [text], [[text], [Link(text, card=text)]], text)
    rows = [ChartRow(text, [Mark(5.0, (4.0, 6.0), text)], {"category": text}) for _ in range(3)]
    return Page(
        *(text, text, [text], [Tile(text, text, text)], [Chart(text, rows, [text])], [table], {text: text}, [card])
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_others_write_runs(tab: OpenPage, tmp_path: Path, text: str) -> None:
    (tmp_path / "page.html").write_text(render_page(hostile_page(text)), encoding="utf-8")
    tab.open(tmp_path / "page.html")
    tab.page.locator(".card").first.click()
    for key in "1234":
        tab.page.keyboard.press(key)
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("l")
    tab.page.get_by_text("雷达图").first.click()
    for link in tab.page.locator("table a").all():
        link.click()
        tab.page.keyboard.press("Escape")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.page.evaluate("window.hacked") is None
    assert tab.violations == [], "it is text, so that there is not even something to stop"
    assert tab.page.locator("svg[onload], img[onerror]").count() == 0
    assert all(request.startswith(("file:", "data:")) for request in tab.requests)
    assert text.strip() in tab.page.locator(".card").first.text_content()


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 20_000, "evil\u202egnp.exe"])
def test_a_long_text_leaves_score_and_id_in_sight_and_nothing_to_scroll_sideways(
    tab: OpenPage, tmp_path: Path, text: str
) -> None:
    outcome = Outcome(picture=tiny("x", 1, 2, 3), status="scored", score=5.0, dimensions={text: 5.0}, reason=text)
    outcome = replace(outcome, facts={text[:2000]: text}, replies=[text], prompts=[text])
    about = (text[:200], text[:200], text[:100], [text, "light"], {"en": text, "zh": text}, text)
    card = Card("sample 7", *about, inputs=[tiny(text, 1, 2, 3)], outcomes=[outcome])
    tab.open(written(Page("t", cards=[card]), tmp_path))
    tab.page.set_viewport_size({"width": 1280, "height": 800})
    wide = "node => node.scrollWidth > node.clientWidth"
    shown = tab.page.locator(".card")
    assert shown.locator(".badge").bounding_box()["width"] > 30
    assert shown.locator("footer code").bounding_box()["width"] > 50
    box = shown.locator(".scores").bounding_box()
    assert shown.locator(".badge").bounding_box()["x"] >= box["x"]
    assert box["width"] > 30, "the category leaves room for the score"
    shown.click()
    tab.page.locator("#viewer details").evaluate_all("nodes => nodes.forEach(node => (node.open = true))")
    assert not tab.page.locator("#viewer").evaluate(wide)
    assert not tab.page.locator("html").evaluate(wide)


@pytest.mark.parametrize("category", ["\u2066\u202enature", "\u202enature\u2066", "nature\u202e\u2066x"])
def test_a_category_that_turns_the_direction_leaves_the_difficulty_beside_it_as_it_is(
    tab: OpenPage, tmp_path: Path, category: str
) -> None:
    card = Card("1", "c", category, "hard", inputs=[tiny("x", 1, 2, 3)])
    tab.open(written(Page("t", cards=[card]), tmp_path))
    places = """node => [...node.querySelectorAll('bdi')].map(one => [...one.textContent].map((_, at) => {
        const range = document.createRange();
        range.setStart(one.firstChild, at);
        range.setEnd(one.firstChild, at + 1);
        return range.getBoundingClientRect().x;
    }))"""
    letters, difficulty = tab.page.locator(".card .where").evaluate(places)
    assert difficulty == sorted(difficulty)
    assert max(letters) < difficulty[0]


@pytest.mark.parametrize("label", ["W" * 40, "very-hard-multi-step-reasoning", "很难的多步推理问题与更多内容"])
def test_a_long_label_of_a_chart_keeps_its_beginning(tab: OpenPage, tmp_path: Path, label: str) -> None:
    rows = [ChartRow(label, [Mark(5.0, (4.0, 6.0), "3/3")])]
    tab.open(written(Page("t", charts=[Chart(Word("by_difficulty"), rows)]), tmp_path))
    shown = tab.page.locator(".row-label")
    assert shown.evaluate("node => node.getBBox().x") >= 0
    assert shown.text_content()[:5] == label[:5]


def test_the_policy_stops_what_would_leave_its_place(tab: OpenPage, path: Path, tmp_path: Path) -> None:
    """Were the template broken, nothing would run either; and this is how the tests above would see it."""
    markup = (
        '<script>window.hacked = 1</script><img src="x" onerror="window.hacked = 1"><style>body { margin: 9px }</style>'
    )
    markup += '<a id="bad" href="javascript:window.hacked=1">x</a><img src="https://example.invalid/x.png">'
    broken = path.read_text(encoding="utf-8").replace("<main>", f"<main>{markup}")
    (tmp_path / "page.html").write_text(broken, encoding="utf-8")
    tab.open(tmp_path / "page.html")
    tab.page.locator("#bad").click()
    tab.page.wait_for_timeout(100)
    assert tab.page.evaluate("window.hacked") is None
    assert sorted(set(tab.violations)) == ["img-src", "script-src-attr", "script-src-elem", "style-src-elem"]
    assert tab.count == f"{COUNT} of {COUNT} samples", "the page's own script runs"
