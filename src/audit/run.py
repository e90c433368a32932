"""One audit: probes are made, put to the config's scorer, recorded, and judged by the checks."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from src.audit.check import Check, ProbedSample
from src.audit.checks import run_checks
from src.audit.cutting import cut_config
from src.audit.figures import CheckOutcome
from src.audit.probes import NAMES, cut_reply, probes
from src.audit.reading import Asked, MakeProbes, ProbeReader
from src.audit.targets import Targets, targets_of
from src.config import Config
from src.data.sample import BadSample
from src.data.verdict import Status, Verdict, failed
from src.models.diffusion.implementations.identity import IdentityModel
from src.pipeline.keys import audit_run_key, digest
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


def audit(
    config: Config,
    edits: Path | None = None,
    samples: int | None = None,
    tick: Callable[[Tally], None] = lambda tally: None,
) -> Audit:
    """Audits the scorer of a config on its benchmark. No editor is asked.

    Everything goes through `Scorer.score` and into the record of `evaluation.output_dir` at once. What that holds
    already is not asked again: a broken-off audit goes on, and a finished one costs nothing.

    Args:
        config: Its benchmark, scorer and judge are used, and its thresholds.
        edits: Output directory of a run whose edits are the targets, instead of the benchmark's reference images.
        samples: How many samples are probed at most, spread over the categories; all that are selected when None.
        tick: Called about ten times a second in the calling thread, for a progress display.

    Raises:
        EditLoopError: for everything that makes the audit as a whole impossible.
        KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
    """
    plan = scorer_plan(config)
    plan.check_weights()
    plan.check_devices()
    targets = targets_of(edits)
    limits = [limit for limit in (config.benchmark.limit, samples) if limit is not None]
    tally = Tally(limit=min(limits, default=None), seconds_to_wait=plan.scorer.seconds_to_wait)
    output_dir = config.evaluation.output_dir
    with exclusive(output_dir), closing(Record(output_dir)) as record:
        info = _run_info(config, plan, targets)
        record.begin_attempt(info)
        probing = _Probing(config, targets, samples, record, info.run_key, tally)
        probing.run(plan, probes, lambda: tick(tally))
        cut = cut_config(config, plan)
        if isinstance(cut, Config):
            if plan.judge is not None:
                plan.judge.unload()
            probing.run(scorer_plan(cut), cut_reply, lambda: tick(tally))
        record.forget_unseen_samples(info.run_key)
        record.end_attempt("finished", tally.seconds, 0, tally.verdicts_reused)
        results = list(record.results(info.run_key))
        report = build_report(record.latest_run(), results)
    probed = _by_sample(results)
    not_cut = cut if isinstance(cut, str) else None
    return Audit(run_checks(probed, targets, config.audit, not_cut), targets.description, len(probed), report)


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
    return [ProbedSample(next(iter(group.values())).dependence or "", group) for group in groups.values()]


class _Probing(Observer):
    """Puts every probe that the record does not hold yet to a scorer."""

    def __init__(
        self, config: Config, targets: Targets, samples: int | None, record: Record, run_key: str, tally: Tally
    ) -> None:
        self._config = config
        self._targets = targets
        self._samples = samples
        self._record = record
        self._run_key = run_key
        self._tally = tally
        self._asked: set[str] = set()

    def run(self, plan: ScorerPlan, make: MakeProbes, tick: Callable[[], None]) -> None:
        """Has the plan's scorer judge the probes that `make` makes; `tick` is called about ten times a second."""
        reader = ProbeReader(self._config, plan, self._targets, self._samples, self._refuse, self._tally)

        def read(stopping: threading.Event) -> Iterator[WorkItem]:
            for group in reader.groups(make):
                if stopping.is_set():
                    return
                if pending := [asked.pending for asked in group if self._is_to_ask(asked)]:
                    first = group[0]
                    pictures = (first.probe.source, first.probe.edited)
                    yield work_item(first.probe.sample, first.edit_key, pending, pictures=pictures, in_one_call=True)

        def load_scorer() -> None:
            with self._tally.while_loading(plan.name):
                plan.scorer.load()

        pixels = PixelBudget(self._config.runtime.decoded_megabytes)
        Stages(self._record, plan.scorer, self, pixels, load_scorer=load_scorer).run(read, tick, edits=False)

    def _refuse(self, bad: BadSample) -> None:
        logger.warning("bad sample %s: %s", bad.sample_id, bad.reason)
        self._record.add_bad_sample(self._run_key, bad)
        self._tally.add(bad=1)

    def _is_to_ask(self, asked: Asked) -> bool:
        """Records the probe as a sample of its own, and says whether its verdict is neither known nor on its way."""
        sample, key = asked.probe.sample, asked.pending.verdict_key
        named = replace(sample, sample_id=f"{sample.sample_id}/{asked.probe.name}", tags=(asked.probe.name,))
        self._record.add_sample(self._run_key, named, SampleKeys(0, asked.source_sha256, asked.edit_key, key))
        if key in self._asked or self._record.has_verdict(key):
            self._tally.add(verdicts_reused=1)
            return False
        self._asked.add(key)
        if asked.pending.inapplicable:
            self._record.add_verdict(key, failed(Status.NOT_APPLICABLE, asked.pending.inapplicable))
            self._tally.add(verdicts_failed=1)
            return False
        return True

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Counts the verdict."""
        self._tally.add_verdict(verdict)
