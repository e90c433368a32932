"""What went wrong with a request to a server, and what follows from it: wait, give up on it, or stop the run."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING

from src.models.http.answer_limits import redirect_of
from src.reasons import reason_of

if TYPE_CHECKING:
    import openai

_QUOTA = frozenset(
    {
        "insufficientquota",
        "insufficientuserquota",
        "insufficientcredits",
        "exceededcurrentquotaerror",
        "billinghardlimitreached",
        "billingnotactive",
        "arrearage",
    }
)
_NO_BALANCE = re.compile(
    r"\bbalance (?:is )?(?:insufficient|not enough)|\binsufficient (?:account )?balance\b", re.IGNORECASE
)
_MODERATION = frozenset(
    {
        "contentfilter",
        "contentpolicyviolation",
        "contentmoderation",
        "moderationblocked",
        "responsibleaipolicyviolation",
        "datainspectionfailed",
    }
)
_WHERE_CODES_ARE = ("code", "type", "error", "detail", "innererror", "inner_error")
_DEEPEST = 4
_CODE = re.compile(r"[\w.:-]+")
_PUNCTUATION = re.compile(r"[\W_]")
_PASSING_STATUS = (408, 409, 425)


class FailureKind(Enum):
    """The kinds of failed requests, by what follows from them."""

    RATE_LIMITED = auto()
    """Wait and send less."""
    PASSING = auto()
    """Wait and try again."""
    REFUSED = auto()
    """The content was declined."""
    QUESTION = auto()
    """This request can never succeed, but others may."""
    KEY = auto()
    """The key is wrong, or may not do this."""
    ACCOUNT = auto()
    """The key is right, and its account has no credit left."""
    MODEL = auto()
    """There is no such model, or no such address."""


UNUSABLE = frozenset({FailureKind.KEY, FailureKind.ACCOUNT, FailureKind.MODEL})
"""Failures that every other request to the same server would meet as well."""
WORTH_RETRYING = frozenset({FailureKind.RATE_LIMITED, FailureKind.PASSING})
"""Failures that the same request may not meet again."""


class APIFailure(Exception):
    """One failed try; its text is what the server or the connection said."""

    def __init__(self, kind: FailureKind, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_after = retry_after


def failure_of(error: openai.APIError) -> APIFailure:
    """Classifies an error of the `openai` client: by HTTP status where there is one, else as a lost connection."""
    import openai

    text = reason_of(error)
    if not isinstance(error, openai.APIStatusError):
        return APIFailure(FailureKind.PASSING, text)
    if redirect := redirect_of(error.response):
        return APIFailure(FailureKind.QUESTION, redirect)
    return APIFailure(kind_of(error.status_code, _codes(error)), text, retry_after(error.response.headers, time.time()))


def _codes(error: openai.APIStatusError) -> frozenset[str]:
    """What the server calls the error, as `_named` finds it.

    Gateways in front of several providers flag what they refuse in `metadata`, with `flagged_input` or `reasons`.
    """
    codes = set(_named(error.body))
    metadata = error.body.get("metadata") if isinstance(error.body, dict) else None
    if isinstance(metadata, dict) and (metadata.get("flagged_input") or metadata.get("reasons")):
        codes.add("contentfilter")
    if 400 <= error.status_code < 500 and _says_no_balance(error.body):
        codes.add("insufficientcredits")
    return frozenset(codes)


def _says_no_balance(body: object) -> bool:
    """Some servers number their errors, and only the message says that the account is empty."""
    message = body.get("message") if isinstance(body, dict) else body
    return isinstance(message, str) and _NO_BALANCE.search(message) is not None


def _named(part: object, depth: int = 0) -> Iterator[str]:
    """Yields the codes within a body, in lower case and without punctuation, as servers write one code in several ways.

    A code is a body or an `error` of one word, or the value of `code` or `type`, there or within the `error`, the
    `detail` (FastAPI) or the `innererror` (Azure). Sentences are no codes.
    """
    if isinstance(part, str) and _CODE.fullmatch(part):
        yield _PUNCTUATION.sub("", part).lower()
    elif isinstance(part, dict) and depth < _DEEPEST:
        for name in _WHERE_CODES_ARE:
            yield from _named(part.get(name), depth + 1)


def kind_of(status: int, codes: frozenset[str] = frozenset()) -> FailureKind:
    """Classifies an answer by its HTTP status and by what the server calls the error.

    The codes say more than the status: servers refuse contents with 400, 403 and 429 alike. A code that merely starts
    with moderation is a refusal only below status 500: above, the moderation itself may be out of order.
    """
    if codes & _MODERATION or (status < 500 and any(code.startswith("moderation") for code in codes)):
        return FailureKind.REFUSED
    is_spent = "quotaexceeded" in codes and status != 429  # there it may be the quota of a minute
    if status == 402 or codes & _QUOTA or is_spent:
        return FailureKind.ACCOUNT
    if status in (401, 403):
        return FailureKind.KEY
    if status == 404:
        return FailureKind.MODEL
    if status == 429:
        return FailureKind.RATE_LIMITED
    return FailureKind.PASSING if status >= 500 or status in _PASSING_STATUS else FailureKind.QUESTION


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the server asks to wait, ≥ 0: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date.

    Args:
        headers: Of the response; names in lower case, or a mapping that ignores case.
        now: Unix time, for dates.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, date.timestamp() - now)
    except (ValueError, OverflowError):
        return None
