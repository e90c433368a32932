"""`judge_all`: verdicts of a judge that only scores, where every way in which it can fail has a status."""

from __future__ import annotations

import logging
import numbers
import time
from collections.abc import Sequence
from dataclasses import replace

from src.data.verdict import SCORE_RANGE, Status, Verdict, failed
from src.errors import ModelUnusable
from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest, NotApplicable
from src.reasons import is_failure, reason_of, without_addresses

logger = logging.getLogger(__name__)


def judge_all(judge: BaseRewardModel, requests: Sequence[JudgeRequest]) -> list[Verdict]:
    """One verdict a request, in order; a batch that fails as a whole is judged one by one.

    Raises:
        ModelUnusable: when the judge can judge nothing at all.
    """
    if len(requests) < 2:
        return [_judge_one(judge, request) for request in requests]
    started = time.perf_counter()
    try:
        judgements = judge.judge_batch(list(requests))
    except ModelUnusable:
        raise
    except BaseException as error:  # one bad edit must not cost its neighbours their verdicts
        if not is_failure(error):
            raise
        logger.warning("a batch of %d judgements failed (%s); judging one by one", len(requests), reason_of(error))
        return [_judge_one(judge, request) for request in requests]
    seconds = (time.perf_counter() - started) / len(requests)
    return [_verdict(judgement, seconds) for judgement in judgements]


def _judge_one(judge: BaseRewardModel, request: JudgeRequest) -> Verdict:
    started = time.perf_counter()
    try:
        judgement = judge.judge(request)
    except ModelUnusable:
        raise
    except NotApplicable as error:
        return failed(Status.NOT_APPLICABLE, without_addresses(str(error)))
    except BaseException as error:  # a judge may fail in any way; the sample is counted, the run goes on
        if not is_failure(error):
            raise
        logger.warning("a judgement failed: %s", reason_of(error))
        seconds = time.perf_counter() - started
        return replace(failed(Status.JUDGE_FAILED, reason_of(error)), seconds=seconds)
    return _verdict(judgement, time.perf_counter() - started)


def _verdict(judgement: Judgement, seconds: float) -> Verdict:
    score = judgement.score
    low, high = SCORE_RANGE
    is_number = isinstance(score, numbers.Real) and not isinstance(score, bool)
    if not is_number or not low <= score <= high:  # NaN fails the comparison
        reason = f"the judge returned {without_addresses(repr(score))}, which is not a number from {low:g} to {high:g}"
        return replace(failed(Status.JUDGE_FAILED, reason), replies=judgement.replies, seconds=seconds)
    return Verdict(
        status=Status.SCORED,
        score=float(score),
        dimensions=judgement.dimensions,
        replies=judgement.replies,
        usage=judgement.usage,
        seconds=seconds,
    )
