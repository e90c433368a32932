"""The page of one run: summary, charts and a card for every sample, from the report's data alone."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from src.data.categories import ENGLISH, category_label
from src.data.picture_change import NEAR_COPY
from src.data.sample import EditSample
from src.reporting.page.against import Against
from src.reporting.page.failures import failure_tables
from src.reporting.page.gallery import are_many, gallery
from src.reporting.page.judgement import judgement
from src.reporting.page.model import (
    Card,
    Chart,
    ChartRow,
    Mark,
    Outcome,
    Page,
    Picture,
    Table,
    Tile,
    Word,
)
from src.reporting.page.pictures import PagePictures
from src.reporting.page.protocol import protocol_statement, protocol_tables
from src.reporting.page.sources import BenchmarkSamples, source_pictures
from src.reporting.report import NO_NAME, sample_row
from src.reporting.sample_rows import Row, SampleRows, rows_of
from src.reporting.stored_runs import StoredRun
from src.reporting.wording import (
    class_name,
    coverage,
    duration,
    incomplete_notice,
    judge_usage,
    near_copies,
    number,
    of_shard,
    one_line,
)

PICTURES_OF_A_SAMPLE = 3
AT_ONCE = 64
"""Samples whose pictures are in memory at one time."""
_BATCH = 8
"""Samples that a thread takes at a time."""
_THREADS = min(8, os.cpu_count() or 1)
_CHINESE = re.compile("[\u4e00-\u9fff]")
_LATIN_WORD = re.compile("[A-Za-z]+")


def run_page(report: Mapping[str, Any], run_dir: Path, folder: Path, against: Against | None = None) -> Page:
    """Builds the page of a run.

    Args:
        report: As `build_report` makes it.
        run_dir: Output directory of the run, with its edits.
        folder: Where the page will lie; full pictures that have no file are stored beside it.
        against: Another run, which each card shows as well.

    Raises:
        OSError: when a picture cannot be stored.
    """
    rows = rows_of(report)
    count = (PICTURES_OF_A_SAMPLE + (against is not None)) * len(rows)
    pictures = PagePictures(folder, count, linked=are_many(rows.ids))
    judge = class_name(report["scorer"])
    notices: list[str] = []
    if notice := incomplete_notice(report):
        notices += [Word("unfinished_notice"), notice]
    if told := near_copies(report):
        notices.append(told)
    if len(rows) and not report["overall_statistics"]["num_samples"]:
        notices.append(Word("nothing_scored"))
    return Page(
        title=Word("report"),
        subtitle=f"{class_name(report['editor'])} · {judge} · {report['timestamp']}{of_shard(report)}",
        notices=notices,
        tiles=[*_tiles(report), *([against.tile()] if against else [])],
        charts=_charts(report),
        tables=_tables(report),
        details=_details(report),
        **gallery(rows.ids, _cards(report, rows, run_dir, pictures, against)),
        language=report["config"]["benchmark"].get("language", "en"),
    )


def outcome(row: Row, picture: Picture | None, name: str = "", scorer: Row | None = None) -> Outcome:
    """What a run made of a sample, for the card of one run or of several side by side.

    Args:
        row: The sample in the report of the run.
        picture: The edit.
        name: The editor's, where the card shows several.
        scorer: Identity of the run's scorer, if the prompts that it names are to be shown.
    """
    asked = ", ".join(f"{prompt} (sha256 {digest[:12]})" for prompt, digest in _prompts(row, scorer or {}).items())
    facts = {"seed": row["seed"], "judge model": row["judge_model"], "edit key": row["edit_key"], "prompt": asked}
    if (change := row.get("change")) is not None:
        facts["change of 255"] = f"{change:.1f}{' (near-copy)' if change <= NEAR_COPY else ''}"
    used = {name: f"{amount:g}" for name, amount in row["usage"].items() if isinstance(amount, int | float)}
    return Outcome(
        name=name,
        picture=picture,
        status=row["status"] or "unfinished",
        score=row["score"],
        dimensions=row["dimensions"],
        reason=row["reason"] or "",
        **judgement(row),
        edit_seconds=row["edit_seconds"],
        judge_seconds=row["judge_seconds"],
        facts={name: one_line(value) for name, value in {**facts, **used}.items() if value not in (None, "")},
    )


def outcome_of(run: StoredRun, sample_id: str, pictures: PagePictures) -> Iterator[Outcome]:
    """Yields what a stored run made of a sample, under the run's name; nothing where it has not come to it."""
    if sample_id in run.by_id:
        row, name = sample_row(run.whole(sample_id)), one_line(run.name)
        yield outcome(row, edited_picture(row, run.folder, pictures, name), name)


def _prompts(row: Row, scorer: Row) -> dict[str, str]:
    """Digests of the prompt files by name: those of the sample's category, where the scorer has one for each."""
    prompts: dict[str, str] = scorer.get("prompts") or {}
    category = f"category/{ENGLISH.get(row['category'] or '', '')} "
    return {name: digest for name, digest in prompts.items() if name.startswith(category)} or prompts


def edited_picture(row: Row, run_dir: Path, pictures: PagePictures, label: str | None = None) -> Picture:
    """The edit of a sample, or why there is none.

    Args:
        row: The sample in the report of the run.
        run_dir: Output directory of the run.
        pictures: Of the page.
        label: An editor's name, where the card shows several.
    """
    label = label or Word("edited")
    if row["image_path"] is None:
        made = row["edit_seconds"] is not None
        return Picture(label, missing="the picture was not kept, or deleted" if made else row["reason"] or "")
    return pictures.of_file(label, run_dir / row["image_path"], row["edit_size"])


def sample_card(
    row: Row, sample: EditSample | None, samples: BenchmarkSamples, pictures: PagePictures, **more: Any
) -> Card:
    """The card of a sample with what the benchmark says of it.

    Args:
        row: The sample in the report of the run.
        sample: The same in the benchmark file; None where it is not there.
        samples: All samples of the file, which say why it is not there and which language is the run's.
        pictures: Of the page.
        more: Further fields of the card, such as `outcomes`.
    """
    sources = [Picture(Word("source"), missing=samples.problem)]
    reference = None
    if sample is not None:
        sources = source_pictures(row, sample, pictures)
        if sources and sources[0].missing:
            sample = None
        elif sample.reference is not None:
            reference = pictures.of(Word("reference"), sample.reference)
    category = row["category"] or ""
    return Card(
        id=row["sample_id"],
        category=category,
        category_label=category_label(category),
        difficulty=row["difficulty"] or "",
        tags=list(dict.fromkeys([*row["tags"], *_marks(row)])),
        instruction=_instructions(row, sample, samples.language),
        description=row["description"],
        inputs=sources,
        reference=reference,
        **more,
    )


def _marks(row: Row) -> list[str]:
    """What the filter of tags finds an edit by, beside the tags of the benchmark."""
    change = row.get("change")
    return ["near-copy"] if change is not None and change <= NEAR_COPY else []


def statistics_chart(title: Word, groups: Mapping[str, Row], filter_name: str) -> Chart:
    """Means with intervals of groups of samples, as `build_report` states them."""
    rows = [
        ChartRow(
            label=one_line(category_label(name)),
            marks=[statistics_mark(values)],
            filters={} if name == NO_NAME else {filter_name: name},
        )
        for name, values in groups.items()
    ]
    return Chart(title, rows)


def statistics_mark(values: Row) -> Mark:
    """The mean of one group with its interval and how many samples it is of."""
    interval = tuple(values["ci95"]) if values["ci95"] else None
    return Mark(values["mean"], interval, f"{values['num_samples']}/{values['total']}")


def with_samples(
    ids: Iterable[str], find: Callable[[str], Row], samples: Iterable[EditSample]
) -> Iterator[tuple[Row, EditSample | None]]:
    """Each row with its sample of the benchmark, in the benchmark's order; rows without a sample last.

    Args:
        ids: Those of the rows.
        find: Gives the row of an id.
        samples: What the benchmark holds today.
    """
    waiting = dict.fromkeys(ids)
    for sample in samples:
        if sample.sample_id in waiting:
            del waiting[sample.sample_id]
            yield find(sample.sample_id), sample
        if not waiting:
            return
    for sample_id in waiting:
        yield find(sample_id), None


def _cards(
    report: Row, rows: SampleRows, run_dir: Path, pictures: PagePictures, against: Against | None
) -> Iterator[Card]:
    samples = BenchmarkSamples(report["config"]["benchmark"])

    def card(pair: tuple[Row, EditSample | None]) -> Card:
        row, sample = pair
        name = one_line(against.name) if against else ""
        outcomes = [outcome(row, edited_picture(row, run_dir, pictures), name, report["scorer"])]
        difference = None
        if against is not None:
            difference = against.difference(row["sample_id"], row["score"])
            outcomes += [replace(one, beside=True) for one in outcome_of(against.run, row["sample_id"], pictures)]
        return sample_card(row, sample, samples, pictures, outcomes=outcomes, difference=difference)

    return in_threads(card, with_samples(rows.ids, rows.find, samples))


def in_threads(make: Any, items: Iterable[Any]) -> Iterator[Any]:
    """The results of `make` for all items, in order, with a bounded number of them in memory."""
    rest = iter(items)
    with ThreadPoolExecutor(_THREADS) as pool:
        begun: deque[Future[list[Any]]] = deque()
        while batch := list(islice(rest, _BATCH)):
            begun.append(pool.submit(lambda some: list(map(make, some)), batch))
            if len(begun) == AT_ONCE // _BATCH:
                yield from begun.popleft().result()
        while begun:
            yield from begun.popleft().result()


def _instructions(row: Row, sample: EditSample | None, language: str) -> dict[str, str]:
    """Returns the instruction by language; the run's own text is that of the record, whatever the file says today.

    Where the file has both languages, the run was asked in its own; the only text of a sample may be in either.
    """
    text = row["instruction"]
    if sample is None or sample.other_instruction is None:
        return {"zh" if _is_chinese(text) else "en": text} if text else {}
    return {language: text, "en" if language == "zh" else "zh": sample.other_instruction}


def _is_chinese(text: str) -> bool:
    """Whether a text has at least as many Chinese characters as words in Latin letters."""
    characters = len(_CHINESE.findall(text))
    return characters > 0 and characters >= len(_LATIN_WORD.findall(text))


def _tiles(report: Row) -> list[Tile]:
    overall, timings = report["overall_statistics"], report["timings"]
    interval = "95 % [{:.2f}, {:.2f}]".format(*overall["ci95"]) if overall["ci95"] else ""
    each = [
        f"{duration(timings[f'{stage}_seconds']['mean'])} / {word}"
        for stage, word in (("edit", "edit"), ("judge", "judgement"))
        if timings[f"{stage}_seconds"]
    ]
    wall = timings["wall_seconds"]
    tiles = [
        Tile(Word("mean"), number(overall["mean"], 2), interval),
        Tile(Word("coverage"), coverage(overall), f"{overall['num_samples']} / {overall['total']}"),
        Tile(Word("time"), "–" if wall is None else duration(wall), " · ".join(each)),
    ]
    if report["usage"]:
        first, _, rest = judge_usage(report["usage"]).partition(", ")
        tiles.append(Tile(Word("usage"), first, rest))
    return tiles


def _charts(report: Row) -> list[Chart]:
    charts = [statistics_chart(Word("by_category"), report["category_statistics"], "category")]
    if len(report["difficulty_statistics"]) > 1:
        charts.append(statistics_chart(Word("by_difficulty"), report["difficulty_statistics"], "difficulty"))
    return [chart for chart in charts if chart.rows]


def _tables(report: Row) -> list[Table]:
    return [*protocol_tables(report), *failure_tables(report)]


def _details(report: Row) -> dict[str, str]:
    models = {"answered by": report["judge_models"]} if report["judge_models"] else {}
    parts = {
        **protocol_statement(report),
        "judge_identity": {**report["scorer"], **models},
        "editor_identity": report["editor"],
        "environment": report["environment"],
        "configuration": report["config"],
    }
    return {Word(name): as_yaml(part) for name, part in parts.items()}


def as_yaml(data: Any) -> str:
    """An identity or a configuration, for people."""
    return str(yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=100))
