"""One audit: probes are made, put to the config's scorer, recorded, and judged by the checks."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from src.audit.checks import Check, ProbedSample, run_checks
from src.audit.figures import Outcome
from src.audit.partners import with_partners
from src.audit.probes import NAMES, REPEATED, Probe, probes
from src.audit.targets import ReferenceTargets, RunTargets, Targets
from src.config import Config, ModelConfig
from src.data.image import ImageError, LazyImage, content_hash
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.errors import EditLoopError
from src.pipeline.flow import Channel, Flow, ThreadWorker
from src.pipeline.keys import digest
from src.pipeline.output import exclusive
from src.pipeline.plan import RunPlan
from src.pipeline.record import Record, SampleKeys
from src.pipeline.results import RunInfo, SampleResult
from src.pipeline.tally import Tally
from src.reasons import reason_of
from src.reporting.report import build_report
from src.rewards.base import EditedSample
from src.rewards.verdict import Status, Verdict, failed

logger = logging.getLogger(__name__)

NO_EDITOR = ModelConfig(class_path="src.models.diffusion.implementations.identity.IdentityModel")
"""In place of the config's editor, which an audit never asks, so that its weights need not be there."""
CHANNEL_SIZE = 8
"""Groups of probes that wait for the scorer, with their pictures in memory."""


@dataclass(frozen=True)
class Audit:
    """A finished audit."""

    checks: list[Check]
    targets: str
    """Where the right edits came from, in words."""
    samples: int
    """How many samples were probed; bad ones are not."""
    report: dict[str, Any]
    """The report of all probes (`build_report`); its tags are the probes' names."""

    @property
    def passed(self) -> bool:
        """Whether no check failed and at least one passed; open and impossible checks do not count."""
        outcomes = {check.outcome for check in self.checks}
        return Outcome.FAIL not in outcomes and Outcome.PASS in outcomes

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
    plan = RunPlan(config.model_copy(update={"diffusion_model": NO_EDITOR}))
    plan.check_devices()
    targets: Targets = RunTargets(edits) if edits is not None else ReferenceTargets()
    tally = Tally(limit=config.benchmark.limit)
    output_dir = config.evaluation.output_dir
    with exclusive(output_dir), closing(Record(output_dir)) as record:
        info = _run_info(plan, targets)
        record.begin_attempt(info)
        _Asking(plan, targets, record, info.run_key, tally).run(lambda: tick(tally))
        record.forget_unseen_samples(info.run_key)
        record.end_attempt("finished", tally.seconds, 0, tally.verdicts_reused)
        results = list(record.results(info.run_key))
        report = build_report(record.latest_run(), results)
    samples = _by_sample(results)
    return Audit(run_checks(samples, targets), targets.description, len(samples), report)


def _run_info(plan: RunPlan, targets: Targets) -> RunInfo:
    editor = {"class": f"{probes.__module__}.{probes.__qualname__}", "targets": targets.description}
    return replace(plan.info(), run_key=digest(["audit", plan.run_key, targets.identity]), editor=editor)


def _by_sample(results: list[SampleResult]) -> list[ProbedSample]:
    """Gathers what `_Asking` recorded for each probe as a sample `<sample id>/<probe>`; bad samples are no probes."""
    groups: dict[str, dict[str, SampleResult]] = defaultdict(dict)
    for result in results:
        if result.status is not Status.BAD_SAMPLE:
            sample_id, _, name = result.sample_id.rpartition("/")
            groups[sample_id][name] = result
    return [ProbedSample(next(iter(group.values())).source_sha256, group) for group in groups.values()]


class _Asking:
    """Puts to the scorer every probe that the record does not hold yet."""

    def __init__(self, plan: RunPlan, targets: Targets, record: Record, run_key: str, tally: Tally) -> None:
        self._plan = plan
        self._targets = targets
        self._record = record
        self._run_key = run_key
        self._tally = tally
        self._to_judge: Channel[list[_Job]] = Channel(CHANNEL_SIZE)

    def run(self, tick: Callable[[], None]) -> None:
        flow = Flow()
        flow.source(lambda: self._read(flow), [self._to_judge])
        flow.stage(self._to_judge, self._workers, name="judge", batch_size=lambda: self._plan.scorer.batch_size)
        flow.run(tick)

    def _read(self, flow: Flow) -> None:
        for sample, partner in with_partners(self._samples()):
            if flow.stopping.is_set():
                return
            source_sha256 = content_hash(sample.source.read_bytes())
            for group in probes(sample, self._targets(sample), partner):
                if jobs := [job for probe in group if (job := self._note(probe, source_sha256))]:
                    self._to_judge.put(jobs)

    def _samples(self) -> Iterator[EditSample]:
        benchmark = self._plan.config.benchmark
        for item in load_samples(benchmark.data_path, self._plan.selection, self._tally.reading):
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

    def _note(self, probe: Probe, source_sha256: str) -> _Job | None:
        """Records the probe as a sample of its own; None when its verdict is known."""
        pictures = [_pixel_hash(probe.source), _pixel_hash(probe.edited)]
        sample = probe.sample
        repetition = probe.name if probe.name in REPEATED else None
        edit_key = digest(["probe", *pictures, sample.instruction, sample.description, repetition])
        inapplicable, key = self._plan.judgement(sample, edit_key)
        named = replace(sample, sample_id=f"{sample.sample_id}/{probe.name}", tags=(probe.name,))
        # The sample's own source, whichever the probe shows: it says which probes are independent.
        self._record.add_sample(self._run_key, named, SampleKeys(0, source_sha256, edit_key, key))
        if self._record.has_verdict(key):
            self._tally.add(verdicts_reused=1)
            return None
        if inapplicable:
            self._record.add_verdict(key, failed(Status.NOT_APPLICABLE, inapplicable))
            self._tally.add(verdicts_failed=1)
            return None
        return _Job(EditedSample(sample, probe.source, probe.edited), key)

    def _workers(self) -> list[ThreadWorker[list[_Job]]]:
        self._tally.loading = self._plan.judge.name if self._plan.judge else type(self._plan.scorer).__name__
        self._plan.scorer.load()
        self._tally.loading = ""
        return [ThreadWorker(self._judge) for _ in range(self._plan.scorer.max_concurrency)]

    def _judge(self, groups: list[list[_Job]]) -> None:
        jobs = [job for group in groups for job in group]
        for job, verdict in zip(jobs, self._verdicts(jobs), strict=True):
            self._record.add_verdict(job.verdict_key, verdict)
            scored = verdict.status is Status.SCORED
            self._tally.add(verdicts_made=scored, verdicts_failed=not scored)

    def _verdicts(self, jobs: list[_Job]) -> list[Verdict]:
        try:
            return self._plan.scorer.score([job.edit for job in jobs])
        except EditLoopError:
            raise
        except Exception as error:  # a scorer may fail in any way; its probes are counted, the audit goes on
            logger.exception("the scorer failed on %s", ", ".join(job.edit.sample.sample_id for job in jobs))
            return [failed(Status.JUDGE_FAILED, reason_of(error))] * len(jobs)


@dataclass(frozen=True)
class _Job:
    edit: EditedSample
    verdict_key: str


def _pixel_hash(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode} {image.size}\0".encode() + image.tobytes()).hexdigest()
