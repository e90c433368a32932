"""Finds for each sample another one of its category, from which a probe borrows what does not belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from src.data.sample import EditSample


def with_partners(samples: Iterable[EditSample]) -> Iterator[tuple[EditSample, EditSample | None]]:
    """Each sample once, with a partner of the same category that has another instruction and another source.

    The partner is the next such sample of the file, and for the last ones of a category its first sample; None where
    neither fits. Samples are streamed: only those that wait for their partner are held.
    """
    firsts: dict[str, EditSample] = {}
    waiting: dict[str, list[EditSample]] = {}
    for sample in samples:
        firsts.setdefault(sample.category, sample)
        still_waiting = [sample]
        for earlier in waiting.get(sample.category, []):
            if _differ(earlier, sample):
                yield earlier, sample
            else:
                still_waiting.append(earlier)
        waiting[sample.category] = still_waiting
    for category, left in waiting.items():
        first = firsts[category]
        for sample in left:
            yield sample, first if _differ(sample, first) else None


def _differ(one: EditSample, other: EditSample) -> bool:
    return one.instruction != other.instruction and one.source != other.source
