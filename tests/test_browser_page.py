"""The page of a run in a real browser: filters, orders, the viewer, keys, addresses, languages, and hostile texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.data.image import LazyImage, encode_png
from src.reporting.page.model import Card, Chart, ChartRow, Link, Mark, Outcome, Page, Picture, Table, Tile, Word
from src.reporting.page.pictures import PagePictures, make_thumbnail
from src.reporting.page.render import render_page
from tests.browser import OpenPage, opened_in

pytestmark = pytest.mark.browser

CATEGORIES = ("物理", "环境", "社会")
COUNT = 30
IN_SIGHT = "name => [...document.querySelectorAll('.card code')].some(node => node.textContent === name)"
FAILED = 4
"""Every sample of this number and its multiples of ten has no score."""


def png(red: int, green: int, blue: int, side: int = 32) -> bytes:
    return encode_png(Image.new("RGB", (side, side), (red, green, blue)))


def tiny(label: str, *colour: int) -> Picture:
    thumbnail = make_thumbnail(png(*colour), 16_000)
    return Picture(label, thumbnail.uri, size=thumbnail.size)


def card(number: int) -> Card:
    is_scored = number % 10 != FAILED
    outcome = Outcome(
        picture=tiny(Word("edited"), 60, 20, number) if is_scored else None,
        status="scored" if is_scored else "edit_failed",
        score=(number * 7 % 30) / 3 if is_scored else None,
        dimensions={"change": 4.0, "keeps the rest": None},
        disagreement=(number % 5) / 10 if is_scored else None,
        reason="" if is_scored else "the editor is out of memory",
        replies=[f"I give {number}"],
        prompts=["You are a judge"],
        edit_seconds=float(number % 6),
        judge_seconds=1.0,
    )
    return Card(
        id=f"sample {number:02d}/?#",
        category=CATEGORIES[number % 3],
        category_label=f"{CATEGORIES[number % 3]} label",
        difficulty=("easy", "hard")[number % 2],
        tags=["light"] if number < 5 else ["water", "all"],
        instruction={"en": f"Paint box {number} blue", "zh": f"把盒子{number}涂成蓝色"},
        description="a box",
        inputs=[tiny(Word("source"), 10, 20, number)],
        reference=tiny(Word("reference"), 0, 0, 255),
        outcomes=[outcome],
        difference=number / 10 - 1,
    )


def chart() -> Chart:
    rows = [ChartRow(f"{name} label", [Mark(5.0, (4.0, 6.0), "3/3")], {"category": name}) for name in CATEGORIES]
    return Chart(Word("by_category"), [*rows, ChartRow("none", [Mark(None, None, "0/1")])])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = Page(
        Word("report"),
        "editor · judge",
        tiles=[Tile(Word("mean"), "5.0")],
        charts=[chart()],
        tables=[Table(Word("failures"), [Word("status")], [[[Link("sample 04", card="sample 04/?#")]]])],
        cards=[card(number) for number in range(COUNT)],
    )
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(page), encoding="utf-8")
    return path


def name(number: int) -> str:
    return f"sample {number:02d}/?#"


def state(tab: OpenPage) -> str:
    return str(tab.page.evaluate("decodeURIComponent(location.hash)"))


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


def test_a_row_of_the_chart_filters_and_the_radar_is_the_second_view(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    assert tab.page.locator(".chart .whisker").count() == 9, "three bars with two ends"
    tab.page.locator(".chart .row.link").nth(1).click()
    assert tab.count == f"10 of {COUNT} samples"
    tab.page.get_by_text("Radar").click()
    assert tab.page.locator("svg.radar circle").count() == 3
    assert "view=radar" in state(tab)


# The viewer.


def test_a_card_opens_with_everything_that_is_known_of_it(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    tab.page.locator(".card").nth(1).click()
    viewer = tab.page.locator("#viewer")
    text = viewer.inner_text()
    for wanted in (name(1), "Paint box 1 blue", "把盒子1涂成蓝色", "2.33", "I give 1", "change", "1.00 s", "32 × 32"):
        assert wanted in text
    assert viewer.locator(".frame").count() == 3
    viewer.get_by_text("Prompt as sent").click()
    assert viewer.get_by_text("You are a judge").is_visible()
    assert "sample 01" in state(tab)
    tab.page.keyboard.press("Escape")
    assert not viewer.is_visible()
    assert "sample" not in state(tab)


def test_the_slider_cuts_the_upper_picture_where_it_is_dragged_and_by_keys(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#sample%2001%2F%3F%23")
    tab.page.get_by_role("button", name="Slider").click()
    box = tab.page.locator(".frame").bounding_box()
    tab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30)
    tab.page.mouse.up()
    cut = tab.page.locator(".over").evaluate("node => parseFloat(node.style.clipPath.match(/([\\d.]+)px\\)/)[1])")
    assert cut == pytest.approx(box["width"] / 4, abs=2)
    before = float(tab.page.locator(".cut").input_value())
    tab.page.keyboard.press("]")
    assert float(tab.page.locator(".cut").input_value()) == before + 5
    tab.page.keyboard.press("[")
    tab.page.keyboard.press("[")
    assert float(tab.page.locator(".cut").input_value()) == before - 5


def test_flicker_shows_one_picture_and_the_other_until_it_is_stopped(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#sample%2001%2F%3F%23")
    tab.page.keyboard.press("3")
    over = tab.page.locator(".over")
    over.wait_for(state="hidden")
    over.wait_for(state="visible")
    tab.page.keyboard.press(" ")
    assert tab.page.locator(".stop").inner_text() == "Go"
    tab.page.wait_for_timeout(900)
    assert over.is_visible()


def test_the_difference_map_holds_the_difference_of_the_two_pictures(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#sample%2001%2F%3F%23")
    tab.page.keyboard.press("4")
    tab.page.wait_for_selector("canvas[data-done]")
    pixel = "node => [...node.getContext('2d').getImageData(5, 5, 1, 1).data]"
    assert tab.page.locator("canvas").evaluate(pixel) == [50, 0, 0, 255]
    tab.page.select_option("select[data-side=right]", "2")
    tab.page.wait_for_selector("canvas[data-done]")
    assert tab.page.locator("canvas").evaluate(pixel) == [10, 20, 254, 255]
    tab.page.locator(".gain").fill("9")
    assert tab.page.locator("canvas").evaluate("node => node.style.filter") == "brightness(9)"


def test_zoom_moves_all_pictures_alike(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#sample%2001%2F%3F%23")

    def transforms() -> set[str]:
        return set(tab.page.locator(".zoomed").evaluate_all("nodes => nodes.map(node => node.style.transform)"))

    tab.page.keyboard.press("+")
    assert transforms() == {"translate(0px, 0px) scale(2)"}
    box = tab.page.locator(".frame").first.bounding_box()
    tab.page.mouse.move(box["x"] + 100, box["y"] + 100)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 130, box["y"] + 90)
    tab.page.mouse.up()
    assert transforms() == {"translate(30px, -10px) scale(2)"}
    tab.page.mouse.wheel(0, -300)
    (zoomed,) = transforms()
    assert float(re.search(r"scale\(([\d.]+)\)", zoomed).group(1)) > 4  # type: ignore[union-attr]
    tab.page.keyboard.press("0")
    assert transforms() == {"translate(0px, 0px) scale(1)"}


def test_a_full_picture_beside_the_page_is_shown_and_its_thumbnail_where_it_is_gone(
    tab: OpenPage, tmp_path: Path
) -> None:
    pictures = PagePictures(tmp_path, 2)
    large = LazyImage.from_bytes(encode_png(Image.effect_noise((400, 300), 60).convert("RGB")))
    shown = pictures.of(Word("source"), large)
    page = tmp_path / "page.html"
    page.write_text(render_page(Page("t", cards=[Card("a", inputs=[shown])])), encoding="utf-8")
    tab.open(page, "#a")
    picture = tab.page.locator(".frame img")
    tab.until("() => document.querySelector('.frame img').naturalWidth === 400")
    assert tab.violations == []
    (tmp_path / shown.full).unlink()
    tab.page.reload()
    tab.until("() => document.querySelector('.frame img').src.startsWith('data:image/jpeg')")
    tab.until("() => document.querySelector('.frame img').naturalWidth > 0")
    assert "full picture is not beside the page" in picture.get_attribute("title")


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


# Languages, colours, paper.


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


def test_all_chosen_cards_are_printed(tab: OpenPage, path: Path) -> None:
    tab.open(path, "#?difficulty=hard")
    assert tab.page.pdf().startswith(b"%PDF")
    tab.page.emulate_media(media="print")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.page.locator(".card").count() == COUNT // 2
    assert not tab.page.locator("#q").is_visible()
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.page.locator(".card").count() > 0


# Size, and what others write.


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


def test_a_card_with_several_editors_compares_any_two_of_them(tab: OpenPage, tmp_path: Path) -> None:
    outcomes = [Outcome(name, tiny(name, red, 0, 0), "scored", 5.0) for name, red in (("A", 10), ("B", 40))]
    page = Page(Word("comparison"), cards=[Card("s", inputs=[tiny(Word("source"), 0, 0, 0)], outcomes=outcomes)])
    (tmp_path / "page.html").write_text(render_page(page), encoding="utf-8")
    tab.open(tmp_path / "page.html", "#s")
    tab.page.keyboard.press("4")
    tab.page.select_option("select[data-side=left]", label="A")
    tab.page.select_option("select[data-side=right]", label="B")
    tab.page.wait_for_selector("canvas[data-done]")
    pixel = "node => [...node.getContext('2d').getImageData(5, 5, 1, 1).data]"
    assert tab.page.locator("canvas").evaluate(pixel) == [30, 0, 0, 255]


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


def test_the_page_asks_nothing_of_the_network(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    assert [request for request in tab.requests if not request.startswith("data:")] == [path.as_uri()]
