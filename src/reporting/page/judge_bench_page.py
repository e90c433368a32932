"""The page of `judge-bench`: the figures, and a card for each pair with both edits and what was said of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from src.data.categories import category_label
from src.data.preferences import PreferencePair
from src.data.sample import BadSample
from src.errors import EditLoopError
from src.reporting.judge_bench.compared import SIDES, ComparedPair
from src.reporting.judge_bench.tables import (
    COLUMNS,
    EXPLAINED,
    GROUP_COLUMNS,
    group_rows,
    headline,
    interval,
    remarks,
    rows,
    share,
)
from src.reporting.page.gallery import are_many, gallery
from src.reporting.page.model import Card, Chart, ChartRow, Mark, Outcome, Page, Picture, Table, Tile, Word
from src.reporting.page.pictures import PagePictures
from src.reporting.page.run_page import as_yaml, in_threads, outcome
from src.reporting.report import sample_row
from src.reporting.wording import class_name, one_line

_PICTURES = 3
_GONE = "the file no longer holds this pair"


def judge_bench_page(
    report: Mapping[str, Any],
    pairs: Sequence[ComparedPair],
    data: Iterable[PreferencePair | BadSample],
    folder: Path,
) -> Page:
    """Builds the page.

    Args:
        report: As `build_judge_bench` makes it.
        pairs: What it is made of.
        data: The pairs of the file once more, with their pictures.
        folder: Where the page will lie.

    Raises:
        OSError: a picture cannot be stored.
    """
    ids = [pair.pair_id for pair in pairs]
    pictures = PagePictures(folder, _PICTURES * len(ids), linked=are_many(ids))
    tables = [Table(Word("agreement"), ["", *COLUMNS], list(rows(report)), note=EXPLAINED, numeric=len(COLUMNS))]
    if report["groups"]:
        tables.append(Table(Word("groups"), GROUP_COLUMNS, list(group_rows(report)), numeric=len(GROUP_COLUMNS) - 1))
    return Page(
        title=Word("judge_bench"),
        subtitle=f"{class_name(report['scorer'])} · {report['data']['data']} · {report['timestamp']}",
        notices=[headline(report), *remarks(report)],
        tiles=_tiles(report),
        charts=[_chart(report)],
        tables=tables,
        details={
            Word("judge_identity"): as_yaml(report["scorer"]),
            Word("environment"): as_yaml(report["environment"]),
        },
        **gallery(ids, _cards(pairs, data, pictures, report["scorer"])),
    )


def _tiles(report: Mapping[str, Any]) -> list[Tile]:
    overall = report["overall"]
    shown = (("accuracy", overall["accuracy"]), ("tie_calibrated", overall["tie_calibrated"]))
    tiles = [Tile(Word(name), share(found["value"]), f"95 % {interval(found)}") for name, found in shown]
    return [*tiles, Tile(Word("coverage"), share(overall["coverage"]), f"{overall['judged']} / {overall['rows']}")]


def _chart(report: Mapping[str, Any]) -> Chart:
    marked = [
        ChartRow(
            one_line(category_label(name)),
            [Mark(found["accuracy"]["value"], found["accuracy"]["ci95"], str(found["preferences"]))],
            {"category": name},
        )
        for name, found in report["categories"].items()
    ]
    return Chart(Word("by_category"), marked, scale=(0.0, 1.0))


def _cards(
    pairs: Sequence[ComparedPair],
    data: Iterable[PreferencePair | BadSample],
    pictures: PagePictures,
    scorer: dict[str, Any],
) -> Iterator[Card]:
    def card(both: tuple[ComparedPair, PreferencePair | None]) -> Card:
        return _card(*both, pictures, scorer)

    return in_threads(card, _joined(pairs, data))


def _joined(
    pairs: Sequence[ComparedPair], data: Iterable[PreferencePair | BadSample]
) -> Iterator[tuple[ComparedPair, PreferencePair | None]]:
    waiting = {pair.pair_id: pair for pair in pairs}
    try:
        for item in data:
            if isinstance(item, PreferencePair) and (known := waiting.pop(item.pair_id, None)):
                yield known, item
    except EditLoopError:
        pass  # the file is gone since; the cards say so
    for pair in waiting.values():
        yield pair, None


def _card(pair: ComparedPair, found: PreferencePair | None, pictures: PagePictures, scorer: dict[str, Any]) -> Card:
    outcomes: list[Outcome] = []
    for place, (side, result) in enumerate(zip(SIDES, pair.results, strict=True)):
        name = f"{side.upper()} ✓" if pair.winner == side else side.upper()
        shown = Picture(name, missing=_GONE) if found is None else pictures.of(name, found.edits[place])
        outcomes.append(replace(outcome(sample_row(result), shown, name, scorer), edit_seconds=None))
    source = Picture(Word("source"), missing=_GONE) if found is None else pictures.of(Word("source"), found.source)
    first = pair.results[0]
    return Card(
        id=pair.pair_id,
        category=pair.category,
        category_label=category_label(pair.category),
        tags=[_agreement(pair), *filter(None, [pair.dimension])],
        instruction={"en": first.instruction},
        description=" · ".join(filter(None, [pair.stated_id, pair.group])),
        inputs=[source],
        outcomes=outcomes,
        difference=None if pair.gap is None else pair.gap * (pair.sign or 1),
    )


def _agreement(pair: ComparedPair) -> str:
    """What the filter of the page knows a pair by."""
    if pair.gap is None:
        return "no score"
    if not pair.sign:
        return "tie of people"
    return {1.0: "agrees", 0.5: "tie of judge"}.get(pair.right or 0.0, "disagrees")
