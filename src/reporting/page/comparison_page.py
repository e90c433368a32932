"""The page of a comparison: the runs, their differences, and a card for each sample with all edits side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from src.data.categories import category_label
from src.data.sample import EditSample
from src.reporting.comparison import scores_by_category
from src.reporting.comparison_wording import (
    groups,
    interval,
    mark,
    p_value,
    power,
    record,
    run_label,
    sign_test_note,
    signed,
    student_interval,
)
from src.reporting.page.gallery import are_many, gallery
from src.reporting.page.model import Card, Cell, Chart, ChartRow, Mark, Page, Table, Tile, Word
from src.reporting.page.pictures import PagePictures
from src.reporting.page.run_page import (
    as_yaml,
    in_threads,
    outcome_of,
    sample_card,
    statistics_mark,
    with_samples,
)
from src.reporting.page.sources import BenchmarkSamples
from src.reporting.report import sample_row
from src.reporting.stored_runs import StoredRun, score_of
from src.reporting.wording import coverage, number, one_line

_INPUTS = 2
"""Source and reference of each card."""
_STEPS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Between two lines of a chart of differences."""


def comparison_page(runs: Sequence[StoredRun], report: Mapping[str, Any], folder: Path) -> Page:
    """Builds the page of a comparison.

    Args:
        runs: The runs in the order in which they were named.
        report: The comparison of them as JSON data.
        folder: Where the page will lie; full pictures that have no file are stored beside it.

    Raises:
        OSError: when a picture cannot be stored.
    """
    notices = [f"⚠ {entry['kind']}: {one_line(entry['text'])}" for entry in report["marks"]]
    ids = [entry["sample_id"] for entry in report["samples"]]
    pictures = PagePictures(folder, (len(runs) + _INPUTS) * len(ids), linked=are_many(ids))
    return Page(
        title=Word("comparison"),
        subtitle=f"{' · '.join(one_line(run.name) for run in runs)} · {report['timestamp']}",
        notices=[*notices, *map(one_line, report["warnings"])],
        tiles=_tiles(report["pairs"]),
        charts=list(_charts(runs, report["pairs"])),
        tables=[_runs(report), _differences(report)],
        details={f"{Word('editor')}: {one_line(run.name)}": as_yaml(run.info.editor) for run in runs}
        | {Word("judge_identity"): as_yaml(runs[0].info.scorer)},
        **gallery(ids, _cards(runs, ids, pictures)),
        language=runs[0].info.config["benchmark"].get("language", "en"),
    )


def _tiles(pairs: Sequence[Mapping[str, Any]]) -> list[Tile]:
    """The figures of two runs; of more, the tables say them."""
    if len(pairs) != 1:
        return []
    found = pairs[0]["overall"]
    return [
        Tile(Word("difference"), signed(found["difference"]), f"95 % {student_interval(found)}"),
        Tile(Word("p_holm"), p_value(found["p_holm"])),
        Tile(Word("wins"), record(found)),
        Tile(Word("detectable"), number(found["detectable"], 2)),
    ]


def _charts(runs: Sequence[StoredRun], pairs: Sequence[Mapping[str, Any]]) -> Iterator[Chart]:
    by_run = [scores_by_category(run) for run in runs]
    names = dict.fromkeys(name for categories in by_run for name in categories)
    rows = [
        ChartRow(
            one_line(category_label(name)),
            [statistics_mark(categories[name]) if name in categories else None for categories in by_run],
            {"category": name},
        )
        for name in names
    ]
    yield Chart(Word("by_category"), rows, [one_line(run.name) for run in runs])
    for pair in pairs if len(pairs) == 1 else ():
        shown = list(groups(pair))
        marks = [ChartRow(one_line(name), [_mark(found)]) for name, found in shown]
        yield Chart(_title(pair), marks, scale=_scale([found for _, found in shown]))


def _scale(shown: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The scale of a chart of differences: five round steps, of which one begins at 0."""
    ends = [end for found in shown for end in found["ci95"] or (found["difference"] or 0.0,)]
    least, most = min(0.0, *ends), max(0.0, *ends)
    for step in _STEPS:
        low = math.floor(least / step) * step
        if low + 5 * step >= most:
            break
    return low, low + 5 * step


def _mark(found: Mapping[str, Any]) -> Mark:
    return Mark(found["difference"], found["ci95"], record(found))


def _title(pair: Mapping[str, Any]) -> str:
    return f"{one_line(pair['second'])} − {one_line(pair['first'])}"


def _runs(report: Mapping[str, Any]) -> Table:
    rows: list[list[Cell]] = [
        [
            *(run_label(run), run["editor"], run["group"]),
            *(number(run["mean_of_common"], 2), f"{number(run['own']['mean'], 2)} {interval(run['own']['ci95'])}"),
            *(f"{run['own']['num_samples']} / {run['own']['total']}", coverage(run["own"])),
        ]
        for run in report["runs"]
    ]
    columns = [Word(name) for name in ("run", "editor", "group", "common_mean", "own_mean", "scored_all", "coverage")]
    return Table(
        Word("runs"), columns, rows, note=" ".join(filter(None, [mark(report)])) or Word("letters_note"), numeric=4
    )


def _differences(report: Mapping[str, Any]) -> Table:
    """Returns all groups of two runs; of more runs, every pair on all samples. The Markdown file has the rest."""
    pairs = report["pairs"]
    if len(pairs) == 1:
        title, shown = _title(pairs[0]), list(groups(pairs[0]))
    else:
        title, shown = Word("all_pairs"), [(_title(pair), pair["overall"]) for pair in pairs]
    rows: list[list[Cell]] = [
        [
            *(one_line(name), f"{found['pairs']} ({found['clusters']})"),
            f"{found['first_missing']} / {found['second_missing']}",
            *(signed(found["difference"]), student_interval(found), interval(found["bootstrap95"], "+")),
            *(p_value(found["p_holm"]), record(found), number(found["detectable"], 2)),
        ]
        for name, found in shown
    ]
    names = ("pairs", "missing", "difference", "student", "bootstrap", "p_holm", "wins", "detectable")
    told = [f"{one_line(name)}: {found['note']}." for name, found in shown if found["note"]]
    if marked := sign_test_note(found for _, found in shown):
        told.insert(0, f"{marked}.")
    note = " ".join(filter(None, [mark(report), *(map(power, pairs) if len(pairs) == 1 else ()), *told]))
    return Table(title, [Word("samples"), *map(Word, names)], rows, note=note, numeric=len(names))


def _cards(runs: Sequence[StoredRun], ids: Sequence[str], pictures: PagePictures) -> Iterator[Card]:
    """One card a sample; the sources are those of the first run's benchmark."""
    samples = BenchmarkSamples(runs[0].info.config["benchmark"])

    def card(pair: tuple[Mapping[str, Any], EditSample | None]) -> Card:
        row, sample = pair
        return sample_card(row, sample, samples, pictures, **_outcomes(runs, row["sample_id"], pictures))

    return in_threads(card, with_samples(ids, partial(_known, runs), samples))


def _known(runs: Sequence[StoredRun], sample_id: str) -> dict[str, Any]:
    """The sample in the first run that could read it."""
    rows = [run.by_id[sample_id] for run in runs if sample_id in run.by_id]
    return sample_row(next((row for row in rows if row.source_sha256 is not None), rows[0]))


def _outcomes(runs: Sequence[StoredRun], sample_id: str, pictures: PagePictures) -> dict[str, Any]:
    """What each run made of a sample, and the last score minus the first."""
    outcomes = [one for run in runs for one in outcome_of(run, sample_id, pictures)]
    first, last = (score_of(run.by_id.get(sample_id)) for run in (runs[0], runs[-1]))
    return {"outcomes": outcomes, "difference": None if first is None or last is None else last - first}
