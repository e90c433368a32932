"""Reads the benchmark as probes: which samples, with which partners, and under which keys their verdicts lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from src.audit.partners import sharing, with_siblings
from src.audit.probes import ASKED_AFRESH, REORDERED, Probe, Probed
from src.audit.reorder import reordered
from src.audit.targets import Targets
from src.config import Config
from src.data.image import ImageError, LazyImage, content_hash
from src.data.loader import load_samples
from src.data.sample import NO_SOURCE, BadSample, EditSample
from src.data.selection import Selection
from src.data.sources import ByteProgress
from src.pipeline.keys import probe_key
from src.pipeline.scorer_plan import ScorerPlan
from src.pipeline.subset import spread_subset
from src.pipeline.tally import Tally
from src.pipeline.work_item import PendingVerdict

MakeProbes = Callable[[Probed], Iterator[list[Probe]]]


@dataclass(frozen=True)
class Asked:
    """A probe with what is asked of the scorer."""

    probe: Probe
    edit_key: str
    source_sha256: str
    """Of the sample's own source, whichever the probe shows: it says which probes are independent."""
    pending: PendingVerdict


class ProbeReader:
    """The benchmark of a config as groups of probes, each to be asked in one call.

    Args:
        config: Its benchmark is read.
        plan: The scorer that is to be asked.
        targets: The right edits.
        most: How many samples are taken at most, spread over the categories; all when None.
        refuse: Called with each sample that cannot be probed.
        tally: Counts what is read.
    """

    def __init__(
        self,
        config: Config,
        plan: ScorerPlan,
        targets: Targets,
        most: int | None,
        refuse: Callable[[BadSample], None],
        tally: Tally,
    ) -> None:
        self._benchmark = config.benchmark
        self._seed = config.runtime.seed
        self._plan = plan
        self._targets = targets
        self._most = most
        self._refuse = refuse
        self._tally = tally

    def groups(self, make: MakeProbes) -> Iterator[list[Asked]]:
        """Yields the groups of probes that `make` makes of each sample; probes that cannot be asked are left out."""
        chosen = self._chosen()
        shared = sharing(item for item in self._items(chosen) if isinstance(item, EditSample))
        for sample, partner, sibling in with_siblings(self._samples(chosen), shared):
            source_sha256 = content_hash(sample.given_source.read_bytes())
            others = self._targets(partner) if partner is not None else None
            for group in make(Probed(sample, self._targets(sample), partner, others, sibling)):
                keys = _edit_keys(group)
                asked = [self._asked(probe, key, source_sha256) for probe, key in zip(group, keys, strict=True)]
                if found := [one for one in asked if one is not None]:
                    yield found

    def _asked(self, probe: Probe, edit_key: str, source_sha256: str) -> Asked | None:
        pending = self._plan.pending_verdict(probe.sample, edit_key)
        if probe.name == REORDERED:
            question = reordered(pending.question, self._plan.judge)
            if question is None:
                return None
            pending = replace(pending, question=question)
        return Asked(probe, edit_key, source_sha256, pending)

    def _items(self, chosen: set[str] | None, progress: ByteProgress | None = None) -> Iterator[EditSample | BadSample]:
        items = load_samples(self._benchmark.data_path, Selection.of(self._benchmark), progress)
        return (item for item in items if chosen is None or item.sample_id in chosen)

    def _samples(self, chosen: set[str] | None) -> Iterator[EditSample]:
        for item in self._items(chosen, self._tally.reading):
            self._tally.add(read=1)
            if isinstance(item, BadSample):
                self._refuse(item)
            elif fault := self._broken_picture(item):
                self._refuse(BadSample.of(item, fault))
            else:
                yield item

    def _chosen(self) -> set[str] | None:
        """The ids of the samples to take; None for all. Items that cannot be samples are not among them."""
        if self._most is None:
            return None
        items = load_samples(self._benchmark.data_path, Selection.of(self._benchmark))
        places = [(item.category, item.sample_id) for item in items if isinstance(item, EditSample)]
        return {name for _, name in spread_subset(places, self._most, self._seed, lambda place: place)}

    def _broken_picture(self, sample: EditSample) -> str | None:
        """What is wrong with its pictures, or that there is none to probe with.

        It is found before another sample borrows them and is blamed.
        """
        if sample.source is None:
            return NO_SOURCE
        for name, picture in self._pictures(sample):
            try:
                if picture is not None:
                    picture.decode()
            except ImageError as error:
                return f"{name} image: {error}"
        return None

    def _pictures(self, sample: EditSample) -> Iterator[tuple[str, LazyImage | None]]:
        yield "source", sample.source
        yield "reference", sample.reference
        yield "target", self._targets(sample)  # last: finding it takes a readable source


def _edit_keys(group: Sequence[Probe]) -> list[str]:
    """The content key of each probe's edit; the probes of a group share their pictures."""
    asked, source, edited = group[0].sample, _pixel_hash(group[0].source), _pixel_hash(group[0].edited)
    repetitions = [probe.name if probe.name in ASKED_AFRESH else None for probe in group]
    return [probe_key(source, edited, asked.instruction, asked.description, again) for again in repetitions]


def _pixel_hash(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode} {image.size}\0".encode() + image.tobytes()).hexdigest()
