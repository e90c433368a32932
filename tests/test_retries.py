"""How often a failed request is sent again."""

from __future__ import annotations

import pytest

from src.models.http.api_errors import WORTH_RETRYING, APIFailure, FailureKind
from src.models.http.retries import LONGEST_RETRY_AFTER, Retries


@pytest.mark.parametrize("kind", sorted(WORTH_RETRYING, key=lambda kind: kind.name))
def test_a_failure_that_may_pass_is_retried_as_often_as_allowed(kind: FailureKind) -> None:
    retries = Retries(2)
    assert [retries.pause(APIFailure(kind, "busy")) > 0 for _ in range(2)] == [True, True]
    with pytest.raises(APIFailure, match="no answer in 3 tries; the last: busy") as spent:
        retries.pause(APIFailure(kind, "busy"))
    assert spent.value.kind is kind


@pytest.mark.parametrize("kind", sorted(WORTH_RETRYING, key=lambda kind: kind.name))
def test_a_pause_is_never_shorter_than_the_server_asks(kind: FailureKind) -> None:
    assert Retries(2).pause(APIFailure(kind, "busy", 3.0)) >= 3.0


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - WORTH_RETRYING, key=lambda kind: kind.name))
def test_a_failure_that_would_only_come_again_is_the_last_word(kind: FailureKind) -> None:
    failure = APIFailure(kind, "no")
    with pytest.raises(APIFailure) as last:
        Retries(5).pause(failure)
    assert last.value is failure


def test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for() -> None:
    with pytest.raises(APIFailure, match="asks to wait 601 s: later"):
        Retries(5).pause(APIFailure(FailureKind.PASSING, "later", LONGEST_RETRY_AFTER + 1))
