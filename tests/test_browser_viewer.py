"""A card in a real browser: everything that is known of it, slider, flicker, difference map, and zoom."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from src.data.image import LazyImage, encode_png
from src.reporting.page.model import Card, Outcome, Page, Word
from src.reporting.page.pictures import PagePictures
from src.reporting.page.render import render_page
from tests.browser import OpenPage
from tests.browser_cards import name, report_page, state, tiny, written

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(report_page(), tmp_path_factory.mktemp("page"))


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


def test_the_browsers_back_closes_an_open_card_and_a_closed_one_leaves_no_step(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    steps = tab.page.evaluate("history.length")
    viewer = tab.page.locator("#viewer")
    tab.page.locator(".card").nth(1).click()
    tab.page.keyboard.press("ArrowRight")
    tab.page.go_back()
    tab.until("() => !document.getElementById('viewer').open")
    assert tab.page.locator(".card").count() > 1
    assert "sample" not in state(tab)
    for _ in range(2):
        tab.page.locator(".card").nth(1).click()
        tab.page.keyboard.press("l")
        tab.page.keyboard.press("Escape")
        tab.page.wait_for_timeout(200)
        assert not viewer.is_visible()
        assert "sample" not in state(tab)
    assert tab.page.evaluate("history.length") <= steps + 1
    assert "lang" not in state(tab), "twice changed is as before"


def test_a_link_to_a_card_opens_it_and_escape_closes_it(tab: OpenPage, path: Path) -> None:
    tab.open(path)
    tab.page.locator("table a").first.click()
    tab.until("() => document.getElementById('viewer').open")
    tab.page.keyboard.press("Escape")
    assert not tab.page.locator("#viewer").is_visible()
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


def test_several_sources_are_numbered_and_the_first_one_is_compared_with_the_edit(
    tab: OpenPage, tmp_path: Path
) -> None:
    sources = [replace(tiny(Word("source"), red, 0, 0), place=place) for place, red in ((1, 10), (2, 200))]
    outcome = Outcome(picture=tiny(Word("edited"), 40, 0, 0), status="scored", score=5.0)
    page = Page(Word("report"), cards=[Card("s", inputs=sources, outcomes=[outcome])])
    (tmp_path / "page.html").write_text(render_page(page), encoding="utf-8")
    tab.open(tmp_path / "page.html", "#s")
    captions = tab.page.locator("dialog figcaption").all_inner_texts()
    assert [text.split("\n")[0].split(" 16")[0].strip() for text in captions][:2] == ["Source 1", "Source 2"]
    tab.page.keyboard.press("4")
    tab.page.wait_for_selector("canvas[data-done]")
    pixel = "node => [...node.getContext('2d').getImageData(5, 5, 1, 1).data]"
    assert tab.page.locator("canvas").evaluate(pixel) == [30, 0, 0, 255]


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
