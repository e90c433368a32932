"""Rows of the record as results: what cannot be read is a failure of its sample, never a number or a traceback."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, NoReturn

import pydantic

from src.data.verdict import Status, Verdict, failed
from src.record.pictures import EditPictures
from src.record.results import Attempt, RunInfo, SampleResult
from src.record.verdict_text import repeats_of, unpacked_prompts

WHOLE_VERDICT = """
    json_valid(v.dimensions) AND json_valid(v.replies) AND json_valid(v.usage)
    AND (v.repeats IS NULL OR json_valid(v.repeats)) AND (v.status <> 'scored' OR v.score BETWEEN 0 AND 10)
"""
"""SQL, of a verdict `v` that can be read; a resumed run judges others anew."""
_LONGEST_REASON = 200

_VERDICT = pydantic.TypeAdapter(Verdict)
_RESULT = pydantic.TypeAdapter(SampleResult)
_RUN = pydantic.TypeAdapter(RunInfo)


def sample_result(row: sqlite3.Row, pictures: EditPictures) -> SampleResult:
    """One sample with its edit and verdict; `judge_failed` with the reason where the row is damaged.

    Args:
        row: Of a sample joined with its edit and verdict.
        pictures: Those of the run, in a folder of its output directory.
    """
    try:
        return _read(row, pictures)
    except (ValueError, TypeError, LookupError) as error:
        return SampleResult(
            sample_id=str(row["sample_id"]),
            index=row["position"] if isinstance(row["position"], int) else -1,
            category=row["category"] if isinstance(row["category"], str) else None,
            difficulty=None,
            tags=(),
            instruction="",
            description="",
            seed=None,
            status=Status.JUDGE_FAILED,
            score=None,
            dimensions={},
            reason=f"the record of the sample is damaged; --resume mends it ({_first_fault(error):.{_LONGEST_REASON}})",
            replies=(),
            usage={},
            edit_key=None,
            source_sha256=None,
            image_path=None,
            source_size=None,
            edit_size=None,
            edit_seconds=None,
            judge_seconds=None,
        )


def _first_fault(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _read(row: sqlite3.Row, pictures: EditPictures) -> SampleResult:
    judged: Verdict | None = None
    if row["bad_reason"] is not None:
        verdict: Verdict | None = failed(Status.BAD_SAMPLE, row["bad_reason"])
    elif row["edit_reason"] is not None:
        verdict = failed_edit(row["edit_reason"])
    else:
        verdict = judged = stored_verdict(row) if row["status"] is not None else None
    edited = row["known_edit"] is not None and row["edit_reason"] is None
    picture = pictures.name(row["edit_key"]) if edited else None
    return _RESULT.validate_python(
        {
            "sample_id": row["sample_id"],
            "index": row["position"],
            "category": row["category"],
            "difficulty": row["difficulty"],
            "tags": _json(row["tags"]),
            "instruction": row["instruction"],
            "description": row["description"],
            "seed": row["seed"],
            "status": verdict and verdict.status,
            "score": verdict and verdict.score,
            "dimensions": judged.dimensions if judged else {},
            "reason": verdict and verdict.reason,
            "replies": judged.replies if judged else (),
            "usage": judged.usage if judged else {},
            "edit_key": row["edit_key"],
            "source_sha256": row["source_sha256"],
            "image_path": f"{pictures.folder.name}/{picture}" if picture else None,
            "source_size": _size(row["source_size"]) if edited else None,
            "edit_size": _size(row["edit_size"]) if edited else None,
            "change": row["change"] if edited else None,
            "edit_seconds": row["edit_seconds"] if edited else None,
            "judge_seconds": judged and judged.seconds,
            "judge_model": judged.model if judged else "",
            "repeats": judged and judged.repeats,
            "expected": _json(row["expected"]) if row["expected"] else None,
            "cluster": row["cluster"],
            "attributes": _json(row["attributes"]) if row["attributes"] else {},
            "prompts": judged.prompts if judged else (),
        }
    )


def stored_verdict(row: sqlite3.Row) -> Verdict:
    """The verdict of a row that has the columns of `verdicts`.

    Raises:
        ValueError, TypeError, LookupError: the row is damaged.
    """
    replies = _json(row["replies"])
    return _VERDICT.validate_python(
        {
            **{name: row[name] for name in ("status", "score", "reason", "seconds", "model")},
            **{"dimensions": _json(row["dimensions"]), "replies": replies, "usage": _json(row["usage"])},
            "repeats": repeats_of(_json(row["repeats"]), replies) if row["repeats"] is not None else None,
            "prompts": unpacked_prompts(row["prompts"]),
        }
    )


def failed_edit(reason: str) -> Verdict:
    """What becomes of all that was to be judged about an edit that failed: the one place that says so."""
    return failed(Status.EDIT_FAILED, reason)


def usage(text: str) -> dict[str, float]:
    """The numbers in the usage of a verdict; none where its row is damaged."""
    try:
        amounts = _json(text)
    except (ValueError, TypeError):
        return {}
    stated = amounts.items() if isinstance(amounts, dict) else ()
    return {name: amount for name, amount in stated if isinstance(amount, int | float)}


def _size(text: str | None) -> Any:
    """None where an edit failed, or was made before sizes were noted."""
    return _json(text) if text else None


def _json(text: str) -> Any:
    return _DECODER.decode(text)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def read_run_info(row: sqlite3.Row, attempts: list[sqlite3.Row]) -> RunInfo:
    """Builds the `RunInfo` from the rows of a run and of its attempts.

    Raises:
        ValueError: one of the rows is damaged.
    """
    parts = ("config", "editor", "scorer", "environment", "left_out")
    try:
        return _RUN.validate_python(
            {
                "run_key": row["run_key"],
                **{name: _json(row[name]) for name in parts},
                "attempts": [{name: attempt[name] for name in Attempt.__dataclass_fields__} for attempt in attempts],
            }
        )
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(_first_fault(error)) from error
