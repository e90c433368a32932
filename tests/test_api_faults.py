"""Pauses between retries, and what servers say about them."""

from __future__ import annotations

import math

import pytest

from src.models.api_faults import FIRST_WAIT, LONGEST_WAIT, pause, retry_after

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
