"""`load_run`: a run as a pandas DataFrame, and the same table as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.verdict import Verdict
from src.errors import OutputError
from src.record.record import Record
from src.record.results import RunInfo, SampleResult

if TYPE_CHECKING:
    import pandas

DIMENSION = "dimension."
"""Prefix of the columns that hold the dimensions of a score."""
ATTRIBUTE = "attribute."
"""Prefix of the columns that hold the fields of a public benchmark's own row."""
USAGE = "usage."
"""Prefix of the columns that hold what a judgement used."""


def load_run(run_dir: str | Path) -> pandas.DataFrame:
    """Reads the latest run of an output directory; loads no model, and the directory may be read-only.

    The frame has one row a sample and repeat, in file order. `repeat` counts a sample's judgements from 1. It is
    missing in the only row of a sample that was not judged, and of one whose repeats the record does not tell apart
    (see `SampleResult.repeats`). `status`, `score`, `reason`, `replies`, `judge_model`, `judge_seconds`, dimensions and
    usage are those of the repeat; `sample_status` and `sample_score` those of the sample, which stand in each of its
    rows, as all else does.

    Columns are the fields of `SampleResult` but the prompts, with these differences: each dimension has a column
    `dimension.<name>`, each amount of usage a column `usage.<name>` and each attribute a column `attribute.<name>`;
    `picture` is the absolute path of the edited picture; sizes are the columns `source_width`, `source_height`,
    `edit_width` and `edit_height`; `near_copy` says whether the edit hardly differs from its source. What a row does
    not have is missing: `score` is NaN unless `status` is `scored`, and `status` is missing where the run ended before
    the verdict.

    `frame.attrs` has `run_dir`, `run_key`, `editor`, `scorer`, `config` (without secrets) and `environment`.

    Args:
        run_dir: Output directory of the run.

    Raises:
        OutputError: the directory holds no readable run.
    """
    with closing(Record(Path(run_dir), for_reading=True)) as record:
        info = record.latest_run()
        return run_frame(info, record.results(info.run_key), Path(run_dir))


def run_frame(info: RunInfo, results: Iterable[SampleResult], run_dir: Path) -> pandas.DataFrame:
    """The frame of `load_run`, from results that have been read already."""
    import pandas

    rows = [row for result in results for row in _rows(result, run_dir.absolute())]
    frame = pandas.DataFrame(rows, columns=_columns(rows))
    for name in frame.columns:
        if name in _NUMBERS or name.startswith((DIMENSION, USAGE)):
            frame[name] = pandas.to_numeric(frame[name], errors="coerce")
    frame["repeat"] = frame["repeat"].astype("Int64")
    frame.attrs = {
        "run_dir": str(run_dir),
        "run_key": info.run_key,
        **{name: getattr(info, name) for name in ("editor", "scorer", "config", "environment")},
    }
    return frame


_FIRST = (
    "sample_id",
    "index",
    "category",
    "difficulty",
    "tags",
    "instruction",
    "description",
    "seed",
    "sample_status",
    "sample_score",
    "repeat",
    "status",
    "score",
)
_LAST = (
    *("reason", "replies", "judge_model", "edit_key", "source_sha256", "cluster", "picture"),
    *("source_width", "source_height", "edit_width", "edit_height", "change", "near_copy"),
    *("edit_seconds", "judge_seconds"),
)
_NUMBERS = (
    *("score", "sample_score", "source_width", "source_height", "edit_width", "edit_height"),
    *("change", "edit_seconds", "judge_seconds"),
)


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """All columns; those of dimensions, attributes and usage in the order in which they first appear."""
    names = dict.fromkeys(name for row in rows for name in row)
    dimensions, attributes, usage = (
        [name for name in names if name.startswith(prefix)] for prefix in (DIMENSION, ATTRIBUTE, USAGE)
    )
    return [*_FIRST, *dimensions, *_LAST, *attributes, *usage]


def _rows(result: SampleResult, run_dir: Path) -> Iterator[dict[str, Any]]:
    """A row for each repeat of the judgement, or one row."""
    plain = {name: getattr(result, name) for name in (*_FIRST, *_LAST) if hasattr(result, name)}
    plain |= {
        "sample_status": result.status and result.status.value,
        "sample_score": result.score,
        "picture": str(run_dir / result.image_path) if result.image_path else None,
        **{f"{ATTRIBUTE}{name}": said for name, said in result.attributes.items()},
        **_size("source", result.source_size),
        **_size("edit", result.edit_size),
    }
    for number, one in enumerate(result.repeats or (), 1):
        told = {name: getattr(one, name) for name in ("score", "reason", "replies")}
        told |= {"judge_seconds": one.seconds, "judge_model": one.model}
        yield plain | told | _of_judgement(number, one)
    if not result.repeats:
        yield plain | _of_judgement(None if result.repeats is None else 1, result)


def _of_judgement(number: int | None, one: SampleResult | Verdict) -> dict[str, Any]:
    return {
        "repeat": number,
        "status": one.status and one.status.value,
        **{f"{DIMENSION}{name}": value for name, value in one.dimensions.items()},
        **{f"{USAGE}{name}": value for name, value in one.usage.items()},
    }


def _size(of: str, size: tuple[int, int] | None) -> dict[str, int | None]:
    width, height = size or (None, None)
    return {f"{of}_width": width, f"{of}_height": height}


def write_csv(frame: pandas.DataFrame, path: Path) -> None:
    """Writes the frame as CSV in UTF-8, with tags and replies as JSON lists; texts stay as they are.

    Raises:
        OutputError: the file cannot be written.
    """
    lists = {name: frame[name].map(_as_json) for name in frame.columns if name in _LISTS or name.startswith(ATTRIBUTE)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.assign(**lists).to_csv(path, index=False, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"the table cannot be written to {path}: {reason}; name another place") from error


_LISTS = ("tags", "replies")


def _as_json(texts: tuple[str, ...] | Any) -> Any:
    """A list of texts as JSON; anything else, such as the text of an attribute, as it is."""
    if not isinstance(texts, tuple):
        return texts
    # A lone surrogate cannot be UTF-8; its escape is valid JSON for the same text.
    return json.dumps(list(texts), ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
