"""Reads, checks and splits preference pairs, before any model loads: no source picture is on both sides."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from src.data.image import ImageError, LazyImage, naming
from src.data.preferences import PreferencePair, load_preferences
from src.data.sample import BadSample
from src.data.winners import FIRST_WINS, SECOND_WINS
from src.errors import DataError
from src.training.dataset import NAMED, ImageStore, draw
from src.training.preference.config import PreferenceData

logger = logging.getLogger(__name__)

FEWEST_HELD_OUT = 2
"""Held-out source pictures without which no accuracy has an interval."""


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """A pair with a winner, as it is trained on: which edit was called A plays no part any more."""

    pair_id: str
    source_id: str
    """SHA-256 of the source's pixels: the same picture in two files, or stored in two ways, is one source."""
    category: str | None
    instruction: str
    rationale: str | None
    source: LazyImage
    chosen: LazyImage
    rejected: LazyImage
    margin: float


@dataclass(frozen=True)
class PreferenceSplit:
    """The pairs of a training, and what was left out of them."""

    train: list[PreferenceExample]
    held_out: list[PreferenceExample]
    bad: list[str]
    """Items that are no pairs, each with its reason."""
    left_out: Counter[str]
    """Number of sound pairs that say nothing, by reason."""

    def sources(self, held_out: bool) -> int:
        """The number of source pictures of one side."""
        return len({one.source_id for one in (self.held_out if held_out else self.train)})


def read_preferences(data: PreferenceData, seed: int, store: ImageStore) -> PreferenceSplit:
    """Reads all files, decodes every picture once, and splits by source picture.

    Raises:
        DataError: a file cannot be read, no pairs are left on a side, or held-out sources are trained on as well.
    """
    bad: list[str] = []
    left_out: Counter[str] = Counter()
    reader = _Reader(data, store, bad, left_out)
    pairs = [pair for place, path in enumerate(data.files) for pair in reader.read(path, f"{place}-")]
    if isinstance(data.held_out, str):
        train, held_out = pairs, reader.read(data.held_out, "held-out-")
        _refuse_overlap(train, held_out, data.held_out)
    else:
        held_out = [one for one in pairs if draw(seed, one.source_id) < data.held_out]
        train = [one for one in pairs if draw(seed, one.source_id) >= data.held_out]
    if weak := [one for one in train if one.margin < data.least_margin]:
        left_out["margin below preferences.least_margin"] = len(weak)
        train = [one for one in train if one.margin >= data.least_margin]
    split = PreferenceSplit(train, held_out, bad, left_out)
    _require_both_sides(split, data)
    return split


class _Reader:
    def __init__(self, data: PreferenceData, store: ImageStore, bad: list[str], left_out: Counter[str]) -> None:
        self._data, self._store = data, store
        self._bad, self._left_out = bad, left_out
        self._source_ids: dict[LazyImage, str] = {}

    def read(self, path: str, prefix: str) -> list[PreferenceExample]:
        """The usable pairs of a file, with a prefix before their ids, which are unique within a file only."""
        found: list[PreferenceExample] = []
        problems: list[str] = []
        for item in load_preferences(path, self._data.language, follow_links=self._data.follow_links):
            if isinstance(item, BadSample):
                problems.append(f"{item.sample_id} (item {item.index}): {item.reason}")
                continue
            if item.winner not in (FIRST_WINS, SECOND_WINS):
                self._left_out["no winner (tie, or both bad)"] += 1
                continue
            try:
                example = self._example(item, prefix)
            except ImageError as error:
                problems.append(f"{item.pair_id} (item {item.index}): {error}")
                continue
            if example.chosen == example.rejected:
                self._left_out["both edits are the same file"] += 1
            else:
                found.append(example)
        if problems:
            logger.warning("%s: %d bad pairs are left out: %s", path, len(problems), "; ".join(problems[:NAMED]))
        self._bad += [f"{path}: {problem}" for problem in problems]
        if not found:
            why = "; ".join(problems[:NAMED]) or ", ".join(f"{count} × {why}" for why, count in self._left_out.items())
            raise DataError(f"{path} holds no usable pair{f': {why}' if why else ''}")
        return found

    def _example(self, pair: PreferencePair, prefix: str) -> PreferenceExample:
        with naming("source"):
            source = self._store.keep(pair.source)
        edits = []
        for name, edit in zip("ab", pair.edits, strict=True):
            with naming(f"edited ({name})"):
                edits.append(self._store.keep(edit))
        chosen, rejected = edits if pair.winner == FIRST_WINS else reversed(edits)
        return PreferenceExample(
            pair_id=prefix + pair.pair_id,
            source_id=self._source_id(source),
            category=pair.category,
            instruction=pair.instruction,
            rationale=pair.rationale if self._data.rationale else None,
            source=source,
            chosen=chosen,
            rejected=rejected,
            margin=pair.margin,
        )

    def _source_id(self, source: LazyImage) -> str:
        if source not in self._source_ids:
            picture = source.decode()
            digest = hashlib.sha256(f"{picture.size}".encode())
            digest.update(picture.tobytes())
            self._source_ids[source] = digest.hexdigest()
        return self._source_ids[source]


def _refuse_overlap(train: Sequence[PreferenceExample], held_out: Sequence[PreferenceExample], path: str) -> None:
    trained = {one.source_id: one.pair_id for one in train}
    shared = [f"{one.pair_id} = {trained[one.source_id]}" for one in held_out if one.source_id in trained]
    if shared:
        raise DataError(
            f"{len(shared)} pairs of preferences.held_out ({path}) have a source picture that is trained on as well "
            f"({', '.join(shared[:NAMED])}): remove them from one of the files, or give a share instead of a file"
        )


def _require_both_sides(split: PreferenceSplit, data: PreferenceData) -> None:
    if not split.train:
        raise DataError("no pairs are left to train on: lower preferences.held_out or preferences.least_margin")
    if split.sources(held_out=True) < FEWEST_HELD_OUT:
        raise DataError(
            f"the held-out pairs are of {split.sources(held_out=True)} source pictures, and {FEWEST_HELD_OUT} are "
            f"needed at least: raise preferences.held_out ({data.held_out}), or name a file of more pairs"
        )
