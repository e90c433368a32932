"""Score files of the official scripts of public benchmarks: what they say of each sample, where it is a number."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from src.benchmark_layouts import BenchmarkLayout
from src.data.benchmarks.gedit import TASKS, gedit_id
from src.data.benchmarks.kris import CATEGORIES, kris_id
from src.data.benchmarks.layout import first_file
from src.data.benchmarks.uniredit import uniredit_id
from src.data.json_stream import BrokenOff, JsonValueError, iter_entries
from src.data.names import storable
from src.data.sample import BadSample, EditSample
from src.errors import DataError

logger = logging.getLogger(__name__)

_GEDIT_ENDING = "_gpt_score.csv"
_GEDIT_VALUES = {
    "sementics_score": ("success", "no_overediting"),
    "quality_score": ("naturalness", "no_artifacts"),
}
"""The columns, as the benchmark spells them, and the values of which each is the lower one."""
_RISE_VALUES = {"Reasoning": "reasoning", "ApprConsistency": "consistency", "VisualPlausibility": "plausibility"}
_KRIS_VALUES = ("consistency_score", "instruction_score", "quality_score", "knowledge_score")
_IMGEDIT_FILES = ("result.json", "average_score.json")
COMPLEX_EDIT_VALUES = {
    "alignment_rubric_cot": ("instruction_following", "identity_preservation"),
    "quality_rubric": ("perceptual_quality",),
}
"""The folders in which Complex-Edit's script writes a file for each output, and the values that are in it."""


@dataclass(frozen=True)
class OfficialScore:
    """What a score file says of one sample."""

    values: Mapping[str, float] = field(default_factory=dict)
    """The values that are numbers on the benchmark's scale, by the names that its protocol here has for them."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why the others are none, by the same names."""
    are_minima: bool = False
    """Whether the values are only known by their minima."""
    score: float | None = None
    """The sample's score on the benchmark's scale, where the file has no more than that."""
    reply: str = ""
    """The judge's reply, where the file has that instead of values."""


Scores = dict[str, OfficialScore]
"""By `row_name` of the sample."""


def row_name(layout: BenchmarkLayout, sample: EditSample | BadSample) -> str:
    """What tells a sample's row in score files: its id, or the instruction where files state nothing else of it."""
    return sample.instruction if layout == "complex-edit" else sample.sample_id


def read_official_scores(layout: BenchmarkLayout, path: Path) -> Scores:
    """Reads the score files of one editor.

    Args:
        layout: gedit: `*_gpt_score.csv`, or a folder of them. imgedit and imgedit-uge: `result.json` (replies) or
            `average_score.json`. rise and uniredit: `MODEL_judge.xlsx`, or the same table as CSV. kris: the folder of
            the categories' folders, each with `metrics.json`. complex-edit: the folder of outputs, in which the script
            writes, or one that holds several of these.
        path: The file or folder.

    Raises:
        DataError: it is not there, or no score file of this benchmark.
    """
    if layout not in _READERS:
        raise DataError(f"scores of the format {layout} cannot be read; there are readers for {', '.join(_READERS)}")
    if not path.exists():
        raise DataError(f"the score file {path} does not exist; correct the path")
    try:
        found: Scores = {}
        for sample_id, score in _READERS[layout](path):
            found[sample_id] = _same(found.get(sample_id, score), score)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as scores of {layout}: {error}") from error
    if not found:
        raise DataError(f"{path} holds no scores")
    return found


def _same(first: OfficialScore, second: OfficialScore) -> OfficialScore:
    """Files that hold a row twice agree about it, or nothing is known."""
    if first == second:
        return first
    names = {*first.values, *first.problems, *second.values, *second.problems} or {"score"}
    return OfficialScore(problems=dict.fromkeys(sorted(names), "two rows of the sample have different scores"))


def _scores(
    row: Mapping[str, Any], columns: Mapping[str, tuple[str, ...]], scale: tuple[float, float]
) -> OfficialScore:
    values: dict[str, float] = {}
    problems: dict[str, str] = {}
    for column, names in columns.items():
        number = _number(row.get(column), scale)
        if number is None:
            low, high = scale
            problems |= dict.fromkeys(
                names, f"`{column}` is {row.get(column)!r:.40}, no number from {low:g} to {high:g}"
            )
        else:
            values |= dict.fromkeys(names, number)
    return OfficialScore(values, problems)


def _number(cell: Any, scale: tuple[float, float]) -> float | None:
    """The number in a cell; None for what is none, and for one outside the scale."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        value = float(cell)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) and scale[0] <= value <= scale[1] else None


def _gedit(path: Path) -> Iterator[tuple[str, OfficialScore]]:
    files = sorted(path.rglob(f"*{_GEDIT_ENDING}")) if path.is_dir() else [path]
    for file in files:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text)
            lacking = {"edited_image", "instruction_language", *_GEDIT_VALUES} - set(rows.fieldnames or ())
            if lacking:
                raise DataError(
                    f"{file} lacks the columns {', '.join(sorted(lacking))}; is it a score file of GEdit-Bench?"
                )
            for row in rows:
                parts = PurePosixPath(str(row["edited_image"]).replace("\\", "/")).parts
                of_file = next((task for task in TASKS if file.name.endswith(f"_{task}{_GEDIT_ENDING}")), None)
                task = parts[-3] if len(parts) > 2 and parts[-3] in TASKS else of_file
                if task is None or not parts:
                    raise DataError(
                        f"{file} does not say of which task {row['edited_image']!r:.80} is: keep the official name of "
                        f"the file, <model>_<task>{_GEDIT_ENDING}"
                    )
                score = _scores(row, _GEDIT_VALUES, (0.0, 10.0))
                language, key = str(row["instruction_language"]), storable(parts[-1].rpartition(".")[0] or parts[-1])
                yield gedit_id(task, language, key), OfficialScore(score.values, score.problems, are_minima=True)


def _imgedit(path: Path) -> Iterator[tuple[str, OfficialScore]]:
    file = first_file(path, _IMGEDIT_FILES, "the official script")
    for key, said in _entries(file):
        if isinstance(said, str):
            yield key, OfficialScore(reply=storable(said))
        elif (number := _number(said, (1.0, 5.0))) is not None:
            yield key, OfficialScore(score=number)
        else:
            problem = f"{said!r:.80} is neither a reply nor a number from 1 to 5"
            yield key, OfficialScore(problems={"score": problem})


def _rise(path: Path) -> Iterator[tuple[str, OfficialScore]]:
    for row in _table(path, {"index"}):
        yield str(row["index"]), _five(row)


def _uniredit(path: Path) -> Iterator[tuple[str, OfficialScore]]:
    for row in _table(path, {"name", "idx"}):
        yield uniredit_id(str(row["name"]), str(row["idx"])), _five(row)


def _five(row: Mapping[str, Any]) -> OfficialScore:
    return _scores(row, {column: (name,) for column, name in _RISE_VALUES.items()}, (1.0, 5.0))


def _table(path: Path, names: set[str]) -> Iterator[Mapping[str, Any]]:
    """The rows of the table with a row a sample.

    Raises:
        DataError: it is a table of means, or cannot be read here.
    """
    if path.is_dir():
        files = sorted(path.glob("*_judge.xlsx")) or sorted(path.glob("*.csv"))
        if len(files) != 1:
            raise DataError(f"{path} holds {len(files)} tables *_judge.xlsx; name the one that is meant")
        path = files[0]
    import pandas

    try:
        frame = pandas.read_csv(path) if path.suffix.lower() == ".csv" else pandas.read_excel(path)
    except ImportError as error:
        raise DataError(
            f"{path}: .xlsx is read by openpyxl, which is not installed. Save its sheet as CSV (UTF-8, with commas and "
            f"the line of headings, of which {', '.join([*sorted(names), *_RISE_VALUES])} are read), and name that file"
        ) from error
    except (ValueError, KeyError) as error:  # of pandas, for what is no table
        raise DataError(f"{path} cannot be read as a table: {error}") from error
    if lacking := {*names, *_RISE_VALUES} - set(map(str, frame.columns)):
        raise DataError(
            f"{path} lacks the columns {', '.join(sorted(lacking))}: the official *_judge.csv has means alone; the "
            "table with a row a sample is *_judge.xlsx"
        )
    yield from frame.to_dict("records")


def _kris(path: Path) -> Iterator[tuple[str, OfficialScore]]:
    for category in CATEGORIES:
        file = path / category / "metrics.json"
        for key, row in _entries(file) if file.is_file() else ():
            columns = {name: (name,) for name in _KRIS_VALUES}
            yield kris_id(category, key), _scores(row if isinstance(row, Mapping) else {}, columns, (1.0, 5.0))


def _complex_edit(path: Path) -> Iterator[tuple[str, OfficialScore]]:
    """By the instruction, which each file states: names of files are the editor's, and do not say the level.

    `overall` is not read: its files put the alignment of one output together with the quality of another.
    """
    found: defaultdict[tuple[Path, str], dict[str, Any]] = defaultdict(dict)
    for folder, names in COMPLEX_EDIT_VALUES.items():
        for file in sorted(path.rglob(f"{folder}/*.json")):
            if file.name == "final_result.json":
                continue
            said = _object(file)
            instruction = said.get("instruction")
            if not isinstance(instruction, str) or not instruction.strip():
                logger.warning("%s states no instruction, by which its sample would be known, and is left out", file)
                continue
            output = file.parent.parent / file.stem
            found[output, storable(instruction).strip()] |= {name: said.get(name) for name in names}
    columns = {name: (name,) for names in COMPLEX_EDIT_VALUES.values() for name in names}
    for (_, instruction), row in found.items():
        yield instruction, _scores(row, columns, (0.0, 10.0))


def _object(file: Path) -> Mapping[str, Any]:
    """The JSON object of a small file; an empty one for anything else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _entries(file: Path) -> Iterator[tuple[str, Any]]:
    """The values of a JSON mapping with their keys; None for a value that cannot be read."""
    with file.open("rb") as opened:
        try:
            for key, raw in iter_entries(partial(opened.read, 65536)):
                try:
                    yield key or "", raw.value()
                except JsonValueError:
                    yield key or "", None
        except BrokenOff as error:
            raise DataError(f"{file} is no JSON mapping from byte {error.offset} on: {error}") from error


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, OfficialScore]]]] = {
    "gedit": _gedit,
    "imgedit": _imgedit,
    "imgedit-uge": _imgedit,
    "rise": _rise,
    "kris": _kris,
    "uniredit": _uniredit,
    "complex-edit": _complex_edit,
}
