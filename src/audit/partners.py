"""Finds for each sample another one of its category, from which a probe borrows what does not belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from src.data.sample import EditSample


def with_partners(samples: Iterable[EditSample]) -> Iterator[tuple[EditSample, EditSample | None]]:
    """Each sample once, with a partner of the same category that has another instruction and another source.

    Where the data say by which rule a sample was made, the partner is of another rule: two of one rule may ask for the
    same edit in other words. The partner is the next such sample of the file; for the last ones of a category its first
    sample, or else the first that can be partner of that; None where neither fits. Samples are streamed: only those
    that wait for their partner and these two are held.
    """
    firsts: dict[str, list[EditSample]] = {}
    waiting: dict[str, list[EditSample]] = {}
    for sample in samples:
        known = firsts.setdefault(sample.category, [sample])
        if len(known) == 1 and _differ(known[0], sample):
            known.append(sample)
        still_waiting = [sample]
        for earlier in waiting.get(sample.category, []):
            if _differ(earlier, sample):
                yield earlier, sample
            else:
                still_waiting.append(earlier)
        waiting[sample.category] = still_waiting
    for category, left in waiting.items():
        for sample in left:
            yield sample, next((first for first in firsts[category] if _differ(sample, first)), None)


def _differ(one: EditSample, other: EditSample) -> bool:
    of_one_rule = one.family is not None and one.family == other.family
    return one.instruction != other.instruction and one.source != other.source and not of_one_rule
