"""A page whose cards lie in files beside it: when that is so, and what the page and its files say."""

from __future__ import annotations

import html
import json
import random
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from src.reporting.page import gallery
from src.reporting.page.failures import REASONS
from src.reporting.page.model import Card, ManyCards, Outcome, Page
from src.reporting.page.parts import CARDS_A_PART, INDEX_BLOCK, SEARCHED
from src.reporting.page.render import page_parts
from src.reporting.report import build_report
from src.reporting.write import write_reports
from tests.sample_results import failure, info, result


def page_of(folder: Path, count: int, reply: str) -> Path:
    results = [result(index, replies=(reply,), instruction=f"make {index} rain") for index in range(count)]
    return write_reports(build_report(info(), results), folder, datetime(2026, 1, 2, *divmod(count, 60)), folder).page


def samples_folder(page: Path) -> Path:
    return page.with_name(f"{page.stem}_samples")


@pytest.mark.parametrize("reply", ["a long reply " * 300, "<&>" * 400, "\udfff\x00" * 200, "物理" * 600])
def test_no_page_is_larger_than_the_bound_whatever_the_judge_has_said(
    reply: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "ONE_FILE_BYTES", 30_000)
    summary = page_of(tmp_path, 0, "").stat().st_size + 4_000
    pages = [page_of(tmp_path, count, reply) for count in range(1, 40, 6)]
    assert max(page.stat().st_size for page in pages) <= summary + 30_000
    in_parts = [samples_folder(page).is_dir() for page in pages]
    assert in_parts == sorted(in_parts), "the larger ones"
    assert in_parts[-1]
    assert not in_parts[0]


def test_a_page_that_just_holds_its_cards_is_one_file_and_a_byte_less_makes_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [card(number) for number in range(5)]
    pages = [len("".join(page_parts(Page("report", cards=some))).encode()) for some in (cards[:1], cards)]
    size = pages[1] - pages[0]  # of the last four, as the first one adds the gallery itself
    gone = [bound for bound in range(size, 2 * size) if "many" in at(bound, cards, monkeypatch)]
    assert gone == list(range(size, gone[-1] + 1))
    assert size * 5 / 4 == pytest.approx(gone[-1], rel=0.1)


def at(bound: int, cards: list[Card], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(gallery, "ONE_FILE_BYTES", bound)
    return gallery.gallery([card.id for card in cards], iter(cards))


def card(number: int, **changes: Any) -> Card:
    prompts = [[f"line of {number}\nline of all"]]
    fields: dict[str, Any] = {"outcomes": [Outcome(score=float(number), status="scored", prompts=prompts)]}
    return Card(f"s{number}", **(fields | changes))


def test_cards_that_came_before_the_bound_was_reached_are_in_the_parts_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "ONE_FILE_BYTES", 20_000)
    page = page_of(tmp_path, 70, "x" * 1000)
    shown = [card for part in parts_of(page) for card in part["cards"]]
    assert [card["id"] for card in shown] == [f"{number:05d}" for number in range(70)]
    assert [card["outcomes"][0]["replies"] for card in shown] == [["x" * 1000]] * 70
    assert [one["id"] for one in index_of(page)] == [f"{number:05d}" for number in range(70)]


def parts_of(page: Path) -> list[dict[str, Any]]:
    files = sorted(samples_folder(page).glob("*.js"), key=lambda file: int(file.stem))
    texts = [file.read_text(encoding="utf-8") for file in files]
    return [json.loads(json.loads(re.fullmatch(r'editloopPart\(\d+, (".*")\);\n', text)[1])) for text in texts]  # type: ignore[index]


def index_of(page: Path) -> list[dict[str, Any]]:
    blocks = re.findall(r'<script type="application/json" class="index">(.*?)</script>', page.read_text("utf-8"))
    return [told for block in blocks for told in json.loads(block)]


def in_parts(folder: Path, ids: list[str], cards: list[Card]) -> Path:
    path = folder / "page.html"
    text = "".join(page_parts(Page("report", many=ManyCards(ids, iter(cards))), path))
    path.write_text(text, encoding="utf-8")
    return path


def test_the_index_is_in_the_order_of_the_page_and_leads_to_each_card_whatever_order_they_come_in(
    tmp_path: Path,
) -> None:
    count = INDEX_BLOCK + 3 * CARDS_A_PART + 5
    cards = [card(number) for number in range(count)]
    ids = [one.id for one in cards]
    random.Random(0).shuffle(cards)
    page = in_parts(tmp_path, ids, cards)
    index, parts = index_of(page), parts_of(page)
    assert [one["id"] for one in index] == ids
    assert [one["outcomes"][0]["score"] for one in index] == [float(number) for number in range(count)]
    for told in index:
        part, slot = divmod(told["at"], CARDS_A_PART)
        assert parts[part]["cards"][slot]["id"] == told["id"]
    assert max(len(part["cards"]) for part in parts) == CARDS_A_PART


def test_the_index_holds_no_long_text(tmp_path: Path) -> None:
    long = "物" * (SEARCHED + 50)
    outcome = Outcome(replies=[long], reason=long, prompts=[[long]], text=long, reading=long, facts={"x": long})
    page = in_parts(tmp_path, ["s0"], [card(0, instruction={"en": long}, description=long, outcomes=[outcome])])
    (told,) = index_of(page)
    assert told["instruction"] == {"en": "物" * SEARCHED}
    assert page.read_text("utf-8").count("物") == SEARCHED
    assert parts_of(page)[0]["cards"][0]["instruction"] == {"en": long}


def test_many_reasons_of_failures_are_counted_in_the_summary_and_told_on_the_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "ONE_FILE_BYTES", 30_000)
    reasons = [f"reason {number} " + "long " * 400 for number in range(REASONS + 30)]
    results = [failure(number, reason=reason) for number, reason in enumerate(reasons)]
    page = write_reports(build_report(info(), results), tmp_path, datetime(2026, 1, 2), tmp_path).page
    assert page.stat().st_size < 600_000
    assert "… and 30 more reasons, all in the JSON file" in page.read_text("utf-8")
    assert {card["outcomes"][0]["reason"] for part in parts_of(page) for card in part["cards"]} == set(reasons)


def test_only_a_page_with_files_beside_it_lets_its_script_load_others(tmp_path: Path) -> None:
    whole = "".join(page_parts(Page("report", cards=[card(0)])))
    parts = in_parts(tmp_path, ["s0"], [card(0)]).read_text("utf-8")
    policies = [html.unescape(re.findall(r'http-equiv="[^"]+" content="([^"]+)"', text)[0]) for text in (whole, parts)]
    alone, loading = (re.findall("script-src ([^;]*);", policy)[0] for policy in policies)
    assert re.fullmatch(r"'sha256-[\w+/=]+'", alone)
    assert loading == f"{alone} 'strict-dynamic'"
