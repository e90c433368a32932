"""A check whether a scorer can score the data at all, before any model is asked."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from src.data.sample import EditSample
from src.errors import DataError
from src.pipeline.editor_plan import EditorPlan
from src.rewards.core.scorer import Scorer

logger = logging.getLogger(__name__)


def check_samples(scorer: Scorer, samples: Sequence[EditSample], where: str, editor: EditorPlan) -> list[bool]:
    """Warns of samples that can never get a score, or one of a part alone, and refuses data of which none can.

    Args:
        scorer: The scorer; it need not be loaded.
        samples: The samples, at least one.
        where: Which scorer this is and what of the data, for messages.
        editor: The editor or text-to-image model; a sample that it does not take gets no score either.

    Returns:
        Whether each sample can be scored.

    Raises:
        DataError: no sample can be scored.
    """
    found = [editor.inapplicable(sample) or scorer.why_inapplicable(sample) for sample in samples]
    _warn_of_left_out(scorer, [sample for sample, reason in zip(samples, found, strict=True) if not reason], where)
    reasons = Counter(filter(None, found))
    if not reasons:
        return [True] * len(samples)
    reason, count = reasons.most_common(1)[0]
    message = f"{where}: {type(scorer).__name__} can score {{}} of {len(samples)} samples; of {count}: {reason}"
    if reasons.total() == len(samples):
        raise DataError(
            f"{message.format('none')}. Choose a scorer and an editor that suit the data, or data that suit them"
        )
    logger.warning(message.format(len(samples) - reasons.total()))
    return [one is None for one in found]


def _warn_of_left_out(scorer: Scorer, samples: Sequence[EditSample], where: str) -> None:
    left_out = Counter(part for sample in samples for part in scorer.left_out(sample).items())
    for (name, reason), count in left_out.most_common():
        logger.warning("%s: left out of the score of %d samples: %s: %s", where, count, name, reason)
