"""What went wrong with a request to a server of `python main.py serve-editor`, as an `APIFailure`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pydantic

from src.models.diffusion.edit_protocol import ErrorBody, ErrorKind
from src.models.http.answer_limits import redirect_of
from src.models.http.api_errors import WORTH_RETRYING, APIFailure, FailureKind, kind_of, retry_after

if TYPE_CHECKING:
    import httpx2

_PAUSE_OF_A_FULL_QUEUE = 1.0
"""Seconds, where the server names none."""
_LONGEST_REASON = 200

_FAILURE_KINDS: dict[ErrorKind, FailureKind] = {
    "busy": FailureKind.RATE_LIMITED,
    "failed": FailureKind.PASSING,
    "too_slow": FailureKind.PASSING,
    "unusable": FailureKind.MODEL,
    "other_editor": FailureKind.MODEL,
    "unknown": FailureKind.MODEL,
    "unauthorized": FailureKind.KEY,
    "forbidden": FailureKind.KEY,
}
"""Every other kind concerns this one edit alone."""


def edit_failure(answer: httpx2.Response) -> APIFailure:
    """Classifies an answer other than 200, by what the server says or, where something else answers, by its status."""
    if redirect := redirect_of(answer):
        return APIFailure(FailureKind.MODEL, redirect)
    pause = retry_after(answer.headers, time.time())
    try:
        body = ErrorBody.model_validate_json(answer.content)
    except pydantic.ValidationError:  # a proxy, or a wrong address
        text = f"HTTP {answer.status_code}: {answer.text[:_LONGEST_REASON]!r}"
        if kind_of(answer.status_code) in WORTH_RETRYING:
            return APIFailure(FailureKind.PASSING, text, pause)
        return APIFailure(FailureKind.MODEL, f"{text}; it is no server of `serve-editor`")
    kind = _FAILURE_KINDS.get(body.kind, FailureKind.QUESTION)
    if kind is FailureKind.RATE_LIMITED and pause is None:
        pause = _PAUSE_OF_A_FULL_QUEUE
    return APIFailure(kind, f"{body.kind}: {body.reason}", pause)
