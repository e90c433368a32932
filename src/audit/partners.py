"""Finds for each sample others of its category, from which a probe borrows what does not belong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

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


def sharing(samples: Iterable[EditSample]) -> Mapping[int, int]:
    """How many samples of a category have a source picture, where several have; by what `with_siblings` tells them."""
    counts = Counter(map(_picture, samples))
    return {picture: count for picture, count in counts.items() if count > 1}


def with_siblings(
    samples: Iterable[EditSample], shared: Mapping[int, int]
) -> Iterator[tuple[EditSample, EditSample | None, EditSample | None]]:
    """Each sample once, with its partner (`with_partners`) and its sibling: another edit of the same picture.

    The words of a sibling fit the picture and ask for something else, so that a scorer must read what they ask for. It
    is the next sample, of the last one the first, of that category and source with another instruction and another
    reference; None where there is no such sample.

    Args:
        samples: They are streamed: a sample is held until all that share its picture have come.
        shared: What `sharing` says of them; some that it counted may be missing.
    """
    held: dict[int, list[tuple[EditSample, EditSample | None]]] = {}
    for sample, partner in with_partners(samples):
        picture = _picture(sample)
        if picture not in shared:
            yield sample, partner, None
            continue
        held.setdefault(picture, []).append((sample, partner))
        if len(held[picture]) == shared[picture]:
            yield from _siblings(held.pop(picture))
    for left in held.values():
        yield from _siblings(left)


def _siblings(
    of_one_picture: list[tuple[EditSample, EditSample | None]],
) -> Iterator[tuple[EditSample, EditSample | None, EditSample | None]]:
    ordered = sorted(of_one_picture, key=lambda pair: pair[0].index)
    for place, (sample, partner) in enumerate(ordered):
        others = (other for other, _ in ordered[place + 1 :] + ordered[:place])
        yield sample, partner, next((other for other in others if _is_other_edit(sample, other)), None)


def _picture(sample: EditSample) -> int:
    return hash((sample.category, sample.source))


def _is_other_edit(one: EditSample, other: EditSample) -> bool:
    """Whether the data show that the same picture is to become another one."""
    known = one.reference is not None and other.reference is not None and one.reference != other.reference
    return known and one.source == other.source and one.instruction != other.instruction


def _differ(one: EditSample, other: EditSample) -> bool:
    of_one_rule = one.family is not None and one.family == other.family
    return one.instruction != other.instruction and one.source != other.source and not of_one_rule
