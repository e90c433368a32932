"""One audit: probes are made, put to the config's scorer, recorded, and judged by the checks."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from src.audit.checks import Check, ProbedSample, run_checks
from src.audit.figures import CheckOutcome
from src.audit.partners import with_partners
from src.audit.probes import NAMES, REPEATED, Probe, probes
from src.audit.targets import ReferenceTargets, RunTargets, Targets
from src.config import Config
from src.data.image import ImageError, LazyImage, content_hash
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.data.verdict import Status, Verdict, failed
from src.models.diffusion.implementations.identity import IdentityModel
from src.pipeline.keys import audit_run_key, digest, probe_key
from src.pipeline.output import exclusive
from src.pipeline.pixels import PixelBudget
from src.pipeline.plan import run_info, run_key, scorer_plan
from src.pipeline.scorer_plan import ScorerPlan
from src.pipeline.stages import Observer, Stages
from src.pipeline.tally import Tally
from src.pipeline.work_item import PendingVerdict, WorkItem, work_item
from src.record.record import Record, SampleKeys
from src.record.results import RunInfo, SampleResult
from src.reporting.report import build_report

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audit:
    """A finished audit."""

    checks: list[Check]
    targets: str
    """Says in words where the right edits came from."""
    samples: int
    """How many samples were probed; bad ones are not."""
    report: dict[str, Any]
    """The report of all probes (`build_report`); its tags are the probes' names."""

    @property
    def passed(self) -> bool:
        """Whether no check failed and at least one passed; open and impossible checks do not count."""
        outcomes = {check.outcome for check in self.checks}
        return CheckOutcome.FAIL not in outcomes and CheckOutcome.PASS in outcomes

    @property
    def probe_statistics(self) -> dict[str, dict[str, Any]]:
        """Mean, interval and coverage of each probe's scores."""
        by_tag = self.report["tag_statistics"]
        return {name: by_tag[name] for name in NAMES if name in by_tag}


def audit(config: Config, edits: Path | None = None, tick: Callable[[Tally], None] = lambda tally: None) -> Audit:
    """Audits the scorer of a config on its benchmark. No editor is asked.

    Everything goes through `Scorer.score` and into the record of `evaluation.output_dir` at once. What that holds
    already is not asked again: a broken-off audit goes on, and a finished one costs nothing.

    Args:
        config: Its benchmark, scorer and judge are used.
        edits: Output directory of a run whose edits are the targets, instead of the benchmark's reference images.
        tick: Called about ten times a second in the calling thread, for a progress display.

    Raises:
        EditLoopError: for everything that makes the audit as a whole impossible.
        KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
    """
    plan = scorer_plan(config)
    plan.check_weights()
    plan.check_devices()
    targets: Targets = RunTargets(edits) if edits is not None else ReferenceTargets()
    tally = Tally(limit=config.benchmark.limit, seconds_to_wait=plan.scorer.seconds_to_wait)
    output_dir = config.evaluation.output_dir
    with exclusive(output_dir), closing(Record(output_dir)) as record:
        info = _run_info(config, plan, targets)
        record.begin_attempt(info)
        _Probing(config, plan, targets, record, info.run_key, tally).run(lambda: tick(tally))
        record.forget_unseen_samples(info.run_key)
        record.end_attempt("finished", tally.seconds, 0, tally.verdicts_reused)
        results = list(record.results(info.run_key))
        report = build_report(record.latest_run(), results)
    samples = _by_sample(results)
    return Audit(run_checks(samples, targets), targets.description, len(samples), report)


def _run_info(config: Config, plan: ScorerPlan, targets: Targets) -> RunInfo:
    """The audit as the record stores it. Its key has the editor that changes nothing in place of one that is asked."""
    unedited = digest(IdentityModel.identity({}))
    asked = run_key(config.benchmark, plan, unedited, config.runtime.seed)
    editor = {"class": f"{probes.__module__}.{probes.__qualname__}", "targets": targets.description}
    return run_info(config, plan, audit_run_key(asked, targets.identity), editor)


def _by_sample(results: list[SampleResult]) -> list[ProbedSample]:
    """Gathers what `_Probing` recorded for each probe as a sample `<sample id>/<probe>`; bad samples are no probes."""
    groups: dict[str, dict[str, SampleResult]] = defaultdict(dict)
    for result in results:
        if result.status is not Status.BAD_SAMPLE:
            sample_id, _, name = result.sample_id.rpartition("/")
            groups[sample_id][name] = result
    return [ProbedSample(next(iter(group.values())).source_sha256, group) for group in groups.values()]


class _Probing(Observer):
    """Puts every probe that the record does not hold yet to the scorer."""

    def __init__(
        self, config: Config, plan: ScorerPlan, targets: Targets, record: Record, run_key: str, tally: Tally
    ) -> None:
        self._benchmark = config.benchmark
        self._plan = plan
        self._targets = targets
        self._record = record
        self._run_key = run_key
        self._tally = tally
        pixels = PixelBudget(config.runtime.decoded_megabytes)
        self._stages = Stages(record, plan.scorer, self, pixels, load_scorer=self._load_scorer)

    def run(self, tick: Callable[[], None]) -> None:
        """Judges all probes; `tick` is called about ten times a second."""
        self._stages.run(self._read, tick, edits=False)

    def _read(self, stopping: threading.Event) -> Iterator[WorkItem]:
        for sample, partner in with_partners(self._samples()):
            if stopping.is_set():
                return
            source_sha256 = content_hash(sample.source.read_bytes())
            for group in probes(sample, self._targets(sample), partner):
                keys = _edit_keys(group)
                noted = [self._note(probe, key, source_sha256) for probe, key in zip(group, keys, strict=True)]
                if pending := [one for one in noted if one is not None]:
                    first = group[0]
                    pictures = (first.source, first.edited)
                    yield work_item(first.sample, keys[0], pending, pictures=pictures, in_one_call=True)

    def _samples(self) -> Iterator[EditSample]:
        selection = Selection.of(self._benchmark)
        for item in load_samples(self._benchmark.data_path, selection, self._tally.reading):
            self._tally.add(read=1)
            if isinstance(item, BadSample):
                self._refuse(item)
            elif fault := self._broken_picture(item):
                self._refuse(BadSample(item.sample_id, item.index, item.category, fault))
            else:
                yield item

    def _broken_picture(self, sample: EditSample) -> str | None:
        """What is wrong with its pictures; found before another sample borrows them and is blamed."""
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

    def _refuse(self, bad: BadSample) -> None:
        logger.warning("bad sample %s: %s", bad.sample_id, bad.reason)
        self._record.add_bad_sample(self._run_key, bad)
        self._tally.add(bad=1)

    def _note(self, probe: Probe, edit_key: str, source_sha256: str) -> PendingVerdict | None:
        """Records the probe as a sample of its own; None when its verdict is known."""
        sample = probe.sample
        pending = self._plan.pending_verdict(sample, edit_key)
        key = pending.verdict_key
        named = replace(sample, sample_id=f"{sample.sample_id}/{probe.name}", tags=(probe.name,))
        # The sample's own source, whichever the probe shows: it says which probes are independent.
        self._record.add_sample(self._run_key, named, SampleKeys(0, source_sha256, edit_key, key))
        if self._record.has_verdict(key):
            self._tally.add(verdicts_reused=1)
            return None
        if pending.inapplicable:
            self._record.add_verdict(key, failed(Status.NOT_APPLICABLE, pending.inapplicable))
            self._tally.add(verdicts_failed=1)
            return None
        return pending

    def _load_scorer(self) -> None:
        with self._tally.while_loading(self._plan.name):
            self._plan.scorer.load()

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Counts the verdict."""
        self._tally.add_verdict(verdict)


def _edit_keys(group: Sequence[Probe]) -> list[str]:
    """The content key of each probe's edit; the probes of a group share their pictures."""
    asked, source, edited = group[0].sample, _pixel_hash(group[0].source), _pixel_hash(group[0].edited)
    repetitions = [probe.name if probe.name in REPEATED else None for probe in group]
    return [probe_key(source, edited, asked.instruction, asked.description, again) for again in repetitions]


def _pixel_hash(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode} {image.size}\0".encode() + image.tobytes()).hexdigest()
