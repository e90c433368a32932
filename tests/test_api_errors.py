"""Pauses between retries, and what servers say about them."""

from __future__ import annotations

import math
from collections.abc import Callable

import httpx
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.http.api_errors import FailureKind, failure_of, retry_after
from src.models.http.retries import FIRST_WAIT, LONGEST_WAIT, pause

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


def test_pauses_double_with_jitter_up_to_a_bound() -> None:
    for retry in range(40):
        full = min(LONGEST_WAIT, FIRST_WAIT * 2**retry)
        assert all(full / 2 <= pause(retry, None) <= full for _ in range(20))
    assert len({pause(3, None) for _ in range(20)}) > 1


def test_a_pause_is_never_shorter_than_the_server_asked_for() -> None:
    assert all(20 <= pause(retry, 20) <= 20 + FIRST_WAIT for retry in range(10))


def test_the_default_retries_outlive_a_server_that_is_gone_for_a_minute() -> None:
    from src.models.reward.implementations.openai_reward import OpenAIRewardModel

    retries = OpenAIRewardModel.Params().max_retries
    expected = math.fsum(0.75 * min(LONGEST_WAIT, FIRST_WAIT * 2**retry) for retry in range(retries))
    assert expected > 60


def _kind_of(status: int, body: object) -> FailureKind:
    """As the client makes its error from an answer."""
    response = httpx.Response(status, json=body, request=httpx.Request("POST", "http://127.0.0.1/v1"))
    client = openai.OpenAI(api_key="x", base_url="http://127.0.0.1/v1")
    return failure_of(client._make_status_error_from_response(response)).kind


MODERATION = ["moderation_blocked", "content_moderation", "data_inspection_failed", "DataInspectionFailed"]
MODERATION += ["content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "moderation_error"]
SHAPES: list[Callable[[str], object]] = [
    lambda code: {"error": code},
    lambda code: {"detail": code},
    lambda code: {"code": code, "message": "no"},
    lambda code: {"type": code},
    lambda code: {"error": {"message": "no", "code": code}},
    lambda code: {"error": {"message": "no", "type": code, "code": 403}},
    lambda code: {"detail": {"code": code}},
    lambda code: {"detail": {"error": {"type": code}}},
    lambda code: {"error": {"code": "BadRequest", "innererror": {"code": code}}},
]


@given(status=st.sampled_from([400, 403, 422, 429]), code=st.sampled_from(MODERATION), shape=st.sampled_from(SHAPES))
def test_a_code_of_moderation_is_a_refusal_wherever_the_server_puts_it(
    status: int, code: str, shape: Callable[[str], object]
) -> None:
    assert _kind_of(status, shape(code)) is FailureKind.REFUSED


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"error": "this key may not use the moderation endpoint"}, FailureKind.KEY),
        (403, {"error": {"message": "moderation_blocked is not the reason", "code": "forbidden"}}, FailureKind.KEY),
        (503, {"error": {"code": "moderation_unavailable"}}, FailureKind.PASSING),
        (429, {"detail": {"code": "insufficient_quota"}}, FailureKind.ACCOUNT),
        (400, ["moderation"], FailureKind.QUESTION),
    ],
)
def test_what_only_speaks_of_moderation_is_no_refusal(status: int, body: object, kind: FailureKind) -> None:
    assert _kind_of(status, body) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"error": {"message": "no", "code": "insufficient_user_quota"}}, FailureKind.ACCOUNT),
        (403, {"error": {"message": "no", "code": "quota_exceeded"}}, FailureKind.ACCOUNT),
        (429, {"error": {"message": "per minute", "code": "quota_exceeded"}}, FailureKind.RATE_LIMITED),
        (429, {"error": {"message": "no", "type": "exceeded_current_quota_error"}}, FailureKind.ACCOUNT),
        (400, {"error": {"message": "no", "code": "Arrearage"}}, FailureKind.ACCOUNT),
        (400, {"code": "Arrearage", "message": "Access denied"}, FailureKind.ACCOUNT),
        (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, FailureKind.ACCOUNT),
        (
            429,
            {"error": {"code": "1113", "message": "Insufficient balance or no resource package."}},
            FailureKind.ACCOUNT,
        ),
        (403, {"code": 30003, "message": "The model is disabled"}, FailureKind.KEY),
        (500, {"message": "the balance is insufficient"}, FailureKind.PASSING),
    ],
)
def test_an_empty_account_is_told_from_a_wrong_key(status: int, body: object, kind: FailureKind) -> None:
    assert _kind_of(status, body) is kind
