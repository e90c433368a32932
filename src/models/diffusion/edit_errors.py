"""What went wrong with a request to an editor's server, and what follows from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pydantic

from src.errors import ModelError
from src.models.diffusion.edit_protocol import ErrorBody
from src.models.http.answer_limits import redirect_of
from src.models.http.api_errors import retry_after

if TYPE_CHECKING:
    import httpx2

_DEFAULT_PAUSE = 1.0
_LONGEST_REASON = 200


class EndpointError(Exception):
    """No answer, or one of no use: try again, if there is another endpoint, there."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class EndpointBusy(EndpointError):
    """The server's queue is full: come again after `retry_after` seconds."""


class EndpointUnusable(Exception):
    """This endpoint can serve no edit of this run."""


def error_of(answer: httpx2.Response) -> EndpointError | EndpointUnusable | ModelError:
    """What an answer other than 200 means; a `ModelError` is the last word on this one edit."""
    if redirect := redirect_of(answer):
        return EndpointUnusable(redirect)
    pause = retry_after(answer.headers, time.time())
    try:
        problem = ErrorBody.model_validate_json(answer.content)
    except pydantic.ValidationError:  # something else than our server: a proxy, a wrong address
        text = f"HTTP {answer.status_code}: {answer.text[:_LONGEST_REASON]!r}"
        passing = answer.status_code >= 500 or answer.status_code in (408, 425, 429)
        return EndpointError(text, pause) if passing else EndpointUnusable(f"{text}; it is no server of `serve-editor`")
    text = f"{problem.kind}: {problem.reason}"
    if problem.kind == "busy":
        return EndpointBusy(text, _DEFAULT_PAUSE if pause is None else pause)
    if problem.kind in ("unusable", "other_editor", "unknown", "unauthorized", "forbidden"):
        return EndpointUnusable(text)
    return EndpointError(text, pause) if problem.kind in ("failed", "too_slow") else ModelError(text)
