"""`scored`: asks a scorer of edits or of texts, and turns its failure into the status of its samples."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from src.data.verdict import Status, Verdict, failed
from src.errors import EditLoopError
from src.reasons import is_failure, reason_of

logger = logging.getLogger(__name__)


def scored(score: Callable[[], list[Verdict]], names: Sequence[str]) -> list[Verdict]:
    """Returns one verdict for each name, in order. The one place where a scorer that fails becomes a status.

    Args:
        score: Asks the scorer.
        names: The samples about which it is asked.

    Raises:
        EditLoopError: the scorer can serve nothing at all, or its wait for a server was broken off.
    """
    try:
        verdicts = score()
        if len(verdicts) != len(names):
            raise ValueError(f"the scorer gave {len(verdicts)} verdicts about {len(names)} samples")
    except EditLoopError:
        raise
    except BaseException as error:  # a scorer may fail in any way; its samples are counted, the work goes on
        if not is_failure(error):
            raise
        logger.exception("the scorer failed on %s", ", ".join(names))
        return [failed(Status.JUDGE_FAILED, reason_of(error))] * len(names)
    return verdicts
