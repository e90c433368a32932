"""What a rater is shown: which edits, in which order, on which side, with the pictures that belong to them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from src.counted import counted
from src.data.image import decode_image, encode_png
from src.errors import DataError
from src.pipeline.run_sources import sources_of_run
from src.record.results import SampleResult
from src.reporting.calibration.calibrate import scored_samples
from src.reporting.comparability import check_comparable
from src.reporting.mismatch import Difference
from src.reporting.stored_runs import StoredRun

SOURCE, EDIT, LEFT, RIGHT = "source", "edit", "left", "right"
JUDGEMENT = (Difference.REFERENCES, Difference.JUDGE, Difference.RUBRIC, Difference.IMAGES)
"""What may differ between runs whose edits people compare: no judge is asked."""


@dataclass(frozen=True)
class LabelTask:
    """One question to the rater."""

    sample_id: str
    instruction: str
    edit_keys: tuple[str | None, ...]
    """Key of the edit, or of the edits of the first and the second run."""
    pictures: Mapping[str, Path]
    """What is shown, by what it is called on the page: `edit`, or `left` and `right`; `source` where there is one."""
    left: str | None
    """Which run's edit is on the left, `a` or `b`; None for single edits."""


def label_tasks(runs: Sequence[StoredRun], rater: str, seed: int, limit: int | None) -> list[LabelTask]:
    """The tasks of a rater, in their order.

    The order follows from the seed and the ids alone: it is the same for all raters, so that many labels are of
    samples that others label too, and the first ones are a random part of all scored edits. The sides follow from the
    rater as well.

    Args:
        runs: One run, or two of the same samples.
        rater: Who labels.
        seed: Of order and sides.
        limit: How many of the first there are; None for all.

    Raises:
        DataError: no sample has a score and its picture in every run.
        ComparisonError: a run has no scores, or the runs are of different samples.
    """
    check_comparable(runs, JUDGEMENT, by_option=False)
    tables = [scored_samples(run) for run in runs]
    names = [name for name in tables[0] if all(name in table for table in tables)]
    shown = [name for name in names if all(table[name].image_path for table in tables)]
    if not shown:
        folders = " and ".join(str(run.folder) for run in runs)
        cause = "no sample has a score"
        if names:
            have = counted(len(names), "sample has", "samples have")
            cause = f"{have} a score, but no picture any more"
        raise DataError(f"nothing in {folders} can be labelled: {cause}; run again with save_generated_images: true")
    ordered = sorted(shown, key=lambda name: _digest(seed, name))[:limit]
    return [_task(name, [table[name] for table in tables], runs, rater, seed) for name in ordered]


def _task(name: str, rows: Sequence[SampleResult], runs: Sequence[StoredRun], rater: str, seed: int) -> LabelTask:
    files = [run.folder / (row.image_path or "") for run, row in zip(runs, rows, strict=True)]
    swapped = len(files) > 1 and _digest(seed, rater, name)[0] % 2 == 1
    pictures = dict(
        zip((EDIT,) if len(files) == 1 else (LEFT, RIGHT), reversed(files) if swapped else files, strict=True)
    )
    left = None if len(files) == 1 else "b" if swapped else "a"
    return LabelTask(name, rows[0].instruction, tuple(row.edit_key for row in rows), pictures, left)


def _digest(*parts: object) -> bytes:
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "replace")).digest()


def with_sources(tasks: Sequence[LabelTask], run: StoredRun, folder: Path) -> list[LabelTask]:
    """Adds the source pictures to the tasks, read from the run's benchmark; tasks of text alone have none.

    Args:
        tasks: Without source pictures.
        run: One of those that are labelled.
        folder: An empty folder, which gets the pictures.

    Raises:
        ConfigError: the benchmark cannot be read, or has other sources today.
    """
    found: dict[str, dict[str, Path]] = {}
    for sample, data in sources_of_run(run.info, {task.sample_id: run.by_id[task.sample_id] for task in tasks}):
        found[sample.sample_id] = {}
        if data is not None:
            path = found[sample.sample_id][SOURCE] = folder / f"{len(found)}"
            path.write_bytes(data)
    return [replace(task, pictures=found[task.sample_id] | dict(task.pictures)) for task in tasks]


def as_png(path: Path) -> bytes:
    """A picture as PNG without anything else that its file holds."""
    return encode_png(decode_image(path.read_bytes()))
