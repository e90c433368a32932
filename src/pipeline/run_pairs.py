"""`python main.py data pairs`: preference pairs of finished runs, by labels of people or by the runs' own scores."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.counted import counted
from src.data.convert.run import ImagesBeside
from src.data.image import ImageError, LazyImage
from src.data.sample import EditSample
from src.data.winners import FIRST_WINS, SECOND_WINS
from src.errors import ConfigError, DataError
from src.pipeline.run_sources import sources_of_run
from src.record.results import SampleResult
from src.reporting.calibration.calibrate import scored_samples
from src.reporting.calibration.labels import Label, check_ids, read_labels
from src.reporting.comparability import check_comparable
from src.reporting.mismatch import Difference
from src.reporting.stored_runs import StoredRun

_JUDGEMENT = (Difference.JUDGE, Difference.RUBRIC, Difference.IMAGES)


@dataclass(frozen=True)
class _Choice:
    """Which of two runs' edits of a sample is the better one."""

    sample_id: str
    runs: tuple[int, int]
    winner: str
    margin: float | None
    rater: str


@dataclass(frozen=True)
class WrittenPairs:
    """What came of it."""

    pairs: int
    left_out: int
    """Pairs of which a picture is gone or cannot be read, or that were made of text alone: a pair has a source."""


def write_run_pairs(
    runs: Sequence[StoredRun], output: Path, labels: Path | None = None, least_gap: float = 1.0
) -> WrittenPairs:
    """Writes a file of preference pairs, with a folder of images beside it.

    Args:
        runs: Two runs of the same samples with `labels`, two or more without.
        output: A `.jsonl` file.
        labels: A file of `label RUN RUN_B` (docs/calibration.md); None takes the scores of the runs.
        least_gap: The least difference of two scores that makes a pair.

    Raises:
        ConfigError: `output` is no `.jsonl` file, or the benchmark of the runs is gone.
        ComparisonError: the runs are of different samples, or without labels, judged in different ways.
        DataError: the labels are no choices between these runs, or nothing can be written.
    """
    if output.suffix != ".jsonl":
        raise ConfigError(f"the output {output} must end in .jsonl")
    if labels is not None and len(runs) != 2:
        raise ConfigError(f"labels are choices between two runs, and {len(runs)} are named")
    check_comparable(runs, () if labels is None else _JUDGEMENT, by_option=False)
    tables = [{row.sample_id: row for row in run.results if row.image_path} for run in runs]
    choices = list(_scored_choices(runs, least_gap) if labels is None else _labelled_choices(runs, labels))
    shown = [choice for choice in choices if all(choice.sample_id in tables[run] for run in choice.runs)]
    if not shown:
        raise DataError(
            f"none of {counted(len(choices), 'pair')} has both pictures"
            + (": run again with save_generated_images: true" if choices else f" (a gap of {least_gap:g} at least)")
        )
    return _write(output, runs, tables, shown, len(choices))


def _labelled_choices(runs: Sequence[StoredRun], labels: Path) -> Iterator[_Choice]:
    found = read_labels(labels)
    known = {row.sample_id: [row.edit_key] for row in runs[0].results}
    keys = {row.sample_id: row.edit_key for row in runs[1].results}
    check_ids(
        found,
        {name: [*first, keys.get(name)] for name, first in known.items()},
        labels,
        " and ".join(str(run.folder) for run in runs),
    )
    yield from map(_labelled_choice, found)


def _labelled_choice(label: Label) -> _Choice:
    if label.winner is None:
        raise DataError(f"{label.where}: a score of a single edit; pairs need choices, made by `label RUN RUN_B`")
    return _Choice(label.sample_id, (0, 1), label.winner, None, label.rater)


def _scored_choices(runs: Sequence[StoredRun], least_gap: float) -> Iterator[_Choice]:
    tables = [scored_samples(run) for run in runs]
    for first, second in itertools.combinations(range(len(runs)), 2):
        for name, row in tables[first].items():
            other = tables[second].get(name)
            if other is None or row.score is None or other.score is None:
                continue
            gap = row.score - other.score
            if abs(gap) >= least_gap and gap != 0 and row.edit_key != other.edit_key:
                yield _Choice(name, (first, second), FIRST_WINS if gap > 0 else SECOND_WINS, abs(gap), "")


def _write(
    output: Path,
    runs: Sequence[StoredRun],
    tables: Sequence[Mapping[str, SampleResult]],
    choices: Sequence[_Choice],
    total: int,
) -> WrittenPairs:
    by_sample: dict[str, list[_Choice]] = {}
    for choice in choices:
        by_sample.setdefault(choice.sample_id, []).append(choice)
    rows = {name: next(table[name] for table in tables if name in table) for name in by_sample}
    output.parent.mkdir(parents=True, exist_ok=True)
    images = ImagesBeside(output)
    unfinished = output.with_name(f"{output.name}.{os.getpid()}.unfinished")
    written = 0
    try:
        with unfinished.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            for sample, data in sources_of_run(runs[0].info, rows):
                if data is None:
                    continue
                source = LazyImage.from_bytes(data)
                for choice in by_sample[sample.sample_id]:
                    try:
                        row = _row(choice, sample, source, runs, tables, images)
                    except ImageError:
                        continue
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    written += 1
        if not written:
            raise DataError(f"none of {counted(len(choices), 'pair')} has a source and edits that can be read")
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return WrittenPairs(written, total - written)


def _row(
    choice: _Choice,
    sample: EditSample,
    source: LazyImage,
    runs: Sequence[StoredRun],
    tables: Sequence[Mapping[str, SampleResult]],
    images: ImagesBeside,
) -> dict[str, Any]:
    """A row as `load_preferences` reads it."""
    edits = [
        images.keep(LazyImage(path=runs[run].folder / str(tables[run][choice.sample_id].image_path)))
        for run in choice.runs
    ]
    names = [f"{choice.sample_id}-{choice.runs[0]}-{choice.runs[1]}", choice.rater]
    fields: dict[str, Any] = {
        "id": "-".join(name for name in names if name),
        "subset": sample.category,
        "edit_instruction_en": sample.instruction,
        "edit_instruction": sample.instruction,
        "rationale_short_en": sample.rationale,
        "rationale_short": sample.rationale,
        "src_img": images.keep(source),
        "a_img": edits[0],
        "b_img": edits[1],
        "winner": choice.winner,
        "margin": choice.margin,
    }
    return {name: value for name, value in fields.items() if value is not None}
