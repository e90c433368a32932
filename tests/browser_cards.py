"""The page that the browser tests drive: thirty cards, a chart, and a table of failures."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from src.data.image import encode_png
from src.reporting.page.model import Card, Chart, ChartRow, Link, Mark, Outcome, Page, Picture, Table, Tile, Word
from src.reporting.page.pictures import make_thumbnail
from src.reporting.page.render import render_page
from tests.browser import OpenPage

CATEGORIES = ("物理", "环境", "社会")
COUNT = 30
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


def report_page() -> Page:
    return Page(
        Word("report"),
        "editor · judge",
        tiles=[Tile(Word("mean"), "5.0")],
        charts=[chart()],
        tables=[Table(Word("failures"), [Word("status")], [[[Link("sample 04", card="sample 04/?#")]]])],
        cards=[card(number) for number in range(COUNT)],
    )


def written(page: Page, folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(render_page(page), encoding="utf-8")
    return path


def name(number: int) -> str:
    return f"sample {number:02d}/?#"


def state(tab: OpenPage) -> str:
    return str(tab.page.evaluate("decodeURIComponent(location.hash)"))
