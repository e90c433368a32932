"""Labels of people from files: what `label` writes, and any CSV or JSON lines with an id and a score or a winner."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.counted import counted
from src.data.winners import WINNERS
from src.errors import DataError
from src.plain_decimal import plain_decimal

IDS = ("sample_id", "id")
"""Names of the column that says which sample is meant."""
SCORE, WINNER, RATER = "score", "winner", "rater"
UNDONE = "undone"
"""The key of a line of our own that takes the rater's label of a sample back."""
MAX_BYTES = 256 * 2**20
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Label:
    """What one rater says of one sample: a score of its edit, or the better of two edits."""

    sample_id: str
    rater: str
    score: float | None
    winner: str | None
    """`a`, `b`, `tie` or `both_bad`."""
    edit_keys: tuple[str, ...] = ()
    """Keys of the edits that were shown, where the file says so: one edit, or one of each of two runs."""
    where: str = ""
    """The line, for messages."""


def read_labels(path: Path, scale: tuple[float, float] = (0.0, 10.0)) -> list[Label]:
    """Reads the labels of a file; scores are taken from their scale to 0–10.

    Args:
        path: A file whose name ends in `.csv`, `.jsonl` or `.ndjson`.
        scale: The lowest and the highest score of the file.

    Raises:
        DataError: the file cannot be read, holds no usable column, a score that is none or off the scale, or a
            sample twice for one rater.
    """
    labels = stored_labels(path, scale)
    if not labels:
        raise DataError(f"{path} holds no labels, or all of them were taken back")
    return labels


def stored_labels(path: Path, scale: tuple[float, float] = (0.0, 10.0)) -> list[Label]:
    """The labels of a file that may hold none; see `read_labels`."""
    labels: dict[tuple[str, str], Label] = {}
    for where, row in _rows(path):
        key = sample_id, rater = _who(row, where)
        if row.get(UNDONE) is True:
            labels.pop(key, None)
            continue
        label = _label(row, where, sample_id, rater, scale)
        if key in labels:
            by = f" by rater {rater!r}" if rater else ""
            raise DataError(
                f"{where}: sample {sample_id!r} has a label{by} already ({labels[key].where}): "
                "leave one of them, or tell raters apart in a column `rater`"
            )
        labels[key] = label
    if len({label.score is None for label in labels.values()}) > 1:
        raise DataError(f"{path} has scores and winners: keep single edits and pairs in files of their own")
    return list(labels.values())


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row with where it stands."""
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: labels are read from .csv and .jsonl files; rename or convert it")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} has more than {MAX_BYTES:,} bytes: is it a file of labels?")
        yield from reader(path)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist; make labels with `python main.py label RUN`, or name a file by --labels"
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8: save it as UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            columns = [name.strip() for name in reader.fieldnames or []]
            _check_columns(columns, path)
            reader.fieldnames = columns
            for row in reader:
                yield f"{path}, line {reader.line_num}", row
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}; is it a CSV file with commas?") from error


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    columns: dict[str, None] = {}
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                if not line.endswith("\n") and number > 1:
                    return  # a line that was being written when the power went out; nobody was told that it is stored
                raise DataError(f"{where} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{where} is not an object with an id and a score or a winner")
            if not columns:
                columns = dict.fromkeys(row)
                _check_columns(list(columns), path)
            yield where, row


def _check_columns(columns: Sequence[str], path: Path) -> None:
    shown = ", ".join(map(repr, columns[:20])) or "none"
    if len(columns) == 1 and {";", "\t"} & set(columns[0]):
        shown += "; separate columns by commas"
    if not set(IDS) & set(columns):
        raise DataError(f"{path} has no column `id` or `sample_id`; its columns are {shown:.300}")
    if not {SCORE, WINNER} & set(columns):
        raise DataError(f"{path} has no column `score` and none `winner`; its columns are {shown:.300}")


def _who(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    """The sample, and the rater's name or an empty one."""
    sample_id = next((str(row[name]).strip() for name in IDS if row.get(name) not in (None, "")), "")
    if not sample_id:
        raise DataError(f"{where} has no id")
    return sample_id, str(row.get(RATER) or "").strip()


def _label(row: Mapping[str, Any], where: str, sample_id: str, rater: str, scale: tuple[float, float]) -> Label:
    score, winner = row.get(SCORE), row.get(WINNER)
    if (score in (None, "")) == (winner in (None, "")):
        raise DataError(f"{where}: a label is a score or a winner; sample {sample_id!r} has both or none")
    keys = row.get("edit_keys")
    return Label(
        sample_id=sample_id,
        rater=rater,
        score=None if score in (None, "") else _score(score, where, scale),
        winner=None if winner in (None, "") else _winner(winner, where),
        edit_keys=tuple(map(str, keys)) if isinstance(keys, list) else (),
        where=where,
    )


def _score(value: Any, where: str, scale: tuple[float, float]) -> float:
    low, high = scale
    try:
        if isinstance(value, bool):
            raise ValueError
        number = plain_decimal(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: the score {value!r:.40} is no number; leave samples without a label out")
    if not low <= number <= high:
        raise DataError(
            f"{where}: the score {number:g} is not on the scale from {low:g} to {high:g}; another is --scale LOW HIGH"
        )
    return 10 * (number - low) / (high - low)


def _winner(value: Any, where: str) -> str:
    winner = WINNERS.get(str(value).strip().lower())
    if winner is None:
        raise DataError(f"{where}: the winner {value!r:.40} is none of a, b, tie and both_bad")
    return winner


def check_ids(labels: Sequence[Label], known: Mapping[str, Sequence[str | None]], path: Path, runs: str) -> None:
    """Refuses labels of samples that the runs do not have, or of other edits of them.

    Args:
        labels: The labels.
        known: The edit keys of each sample, one a run.
        path: The file, for messages.
        runs: What was named beside it, for messages.

    Raises:
        DataError: saying which ids these are.
    """
    unknown = list(dict.fromkeys(label.sample_id for label in labels if label.sample_id not in known))
    if unknown:
        named = ", ".join(f"{name!r:.60}" for name in unknown[:_SHOWN]) + (", …" if len(unknown) > _SHOWN else "")
        total = len({label.sample_id for label in labels})
        every = len(unknown) == total
        are = "is" if every or len(unknown) == 1 else "are"
        whole = f"{'none' if every else len(unknown)} of the {counted(total, 'id')} {are}{'' if every else ' not'}"
        cause = "; are they labels of another benchmark?" if every else ""
        raise DataError(f"{path}: {whole} in {runs} ({named}){cause}")
    for label in labels:
        if label.edit_keys and label.edit_keys != tuple(known[label.sample_id]):
            raise DataError(
                f"{label.where}: sample {label.sample_id!r} was labelled when it had another edit than in {runs}; "
                "name the runs that were labelled, in their order"
            )
