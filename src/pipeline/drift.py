"""`measure_drift`: asks the judge of a run again about some of its edits, and compares with what it said then."""

from __future__ import annotations

import copy
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from src.config import Config
from src.config_file import apply_override, checked
from src.counted import counted
from src.data.image import ImageError, open_rgb
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, OutputError
from src.pipeline.keys import digest, drift_run_key, drift_verdict_key
from src.pipeline.output import exclusive
from src.pipeline.pixels import PixelBudget
from src.pipeline.plan import run_info, scorer_plan
from src.pipeline.reader import within_limit
from src.pipeline.redone import differences
from src.pipeline.scorer_plan import ScorerPlan
from src.pipeline.stages import Observer, Stages
from src.pipeline.subset import spread_subset
from src.pipeline.tally import Tally
from src.pipeline.work_item import PendingVerdict, WorkItem, work_item
from src.record.record import Record, SampleKeys
from src.record.results import RunInfo, SampleResult
from src.reporting.drift import Drift, build_drift

FOLDER = "drift"
"""Where the answers of today go, below the folder of the run."""
SAMPLES = 50
THRESHOLD = 0.3
_CLASS = f"{__name__}.measure_drift"


@dataclass(frozen=True)
class _Anchor:
    """A sample of the run about whose edit the judge is asked again."""

    then: SampleResult
    sample: EditSample
    pending: PendingVerdict
    """With the key of the stored verdict."""


def measure_drift(
    run_dir: Path,
    *,
    samples: int = SAMPLES,
    threshold: float = THRESHOLD,
    assignments: Sequence[str] = (),
    output_dir: Path | None = None,
    tick: Callable[[Tally], None] = lambda tally: None,
) -> Drift:
    """Asks the judge of the latest run of `run_dir` anew, the very same questions about the very same edits.

    Nothing of the run is changed. The answers go into a record of their own; a measurement that was broken off goes
    on, a finished one stays there while the next begins.

    Args:
        run_dir: Output directory of the run.
        samples: How many scored samples are asked about, spread over the categories in proportion. Which ones follows
            from the run's seed and their ids: the same each time, and more include fewer.
        threshold: Shift of the mean score beyond which the judge has drifted.
        assignments: `--set` of the config that the record holds; nothing that changes what is asked, or of whom.
        output_dir: Where the answers go instead of the folder `drift` in `run_dir`.
        tick: Called about ten times a second in the calling thread, for a progress display.

    Raises:
        EditLoopError: for everything that makes the measurement impossible.
        KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
    """
    if not (math.isfinite(threshold) and threshold >= 0):
        raise ConfigError(f"the threshold must be a number of 0 or more, got {threshold}")
    target = output_dir or run_dir / FOLDER
    with closing(Record(run_dir, for_reading=True)) as run:
        info = run.latest_run()
        config, plan = _scorer_of(info, run_dir, assignments)
        plan.check_devices()
        pixels = PixelBudget(config.runtime.decoded_megabytes)
        left_out: Counter[str] = Counter()
        anchors = list(_anchors(run, info, config, plan, samples, pixels, left_out))
        if not anchors:
            raise OutputError(f"{run_dir}: there is nothing to ask the judge again about: {_reasons(left_out)}")
        tally = Tally(limit=len(anchors), seconds_to_wait=plan.scorer.seconds_to_wait)
        with exclusive(target), closing(Record(target)) as record:
            today = _begun(record, target, config.moved_to(target), plan, info, anchors)
            record.begin_attempt(today)
            _Asking(record, today.run_key, plan, run, pixels, tally).run(anchors, lambda: tick(tally))
            record.end_attempt("finished", tally.seconds, 0, tally.verdicts_reused)
            answers = {result.sample_id: result for result in record.results(today.run_key)}
    pairs = [(anchor.then, answers[anchor.then.sample_id]) for anchor in anchors]
    return build_drift(info.run_key, pairs, threshold, left_out)


def _scorer_of(info: RunInfo, run_dir: Path, assignments: Sequence[str]) -> tuple[Config, ScorerPlan]:
    """The config that the record holds, with overrides, and its scorer, which must be the very same.

    Raises:
        ConfigError: it is another one, or cannot be built.
    """
    data = copy.deepcopy(info.config)
    for assignment in assignments:
        apply_override(data, assignment)
    where = f"the configuration stored in {run_dir}"
    config = checked(Config, data, where)
    plan = scorer_plan(config)
    plan.check_weights()
    then, now = (
        {name: value for name, value in scorer.items() if name != "prompts"}
        for scorer in (info.scorer, run_info(config, plan, info.run_key, {}).scorer)
    )
    if changed := differences({"scorer": then}, {"scorer": now}):
        raise ConfigError(
            f"{where}: the scorer that would be asked today is not the one of the run ({changed}). A drift is that of "
            "one and the same scorer: take back what changes it (--set, environment, EditLoop's version), or judge the "
            "run's edits by the other one with evaluate --resume"
        )
    return config, plan


def _reasons(left_out: Mapping[str, int]) -> str:
    counts = "; ".join(f"{counted(count, 'sample')}: {reason}" for reason, count in left_out.items())
    return counts or "the run holds no sample with a score whose edited picture is there"


def anchor_subset(results: Iterable[SampleResult], samples: int, seed: int) -> list[SampleResult]:
    """The results that are asked about again; see `spread_subset`."""
    return spread_subset(results, samples, seed, lambda result: (result.category, result.sample_id))


def _anchors(
    run: Record,
    info: RunInfo,
    config: Config,
    plan: ScorerPlan,
    samples: int,
    pixels: PixelBudget,
    left_out: Counter[str],
) -> Iterator[_Anchor]:
    """The anchors as the benchmark file has them; counts those that are not what was judged."""
    scored = [row for row in run.results(info.run_key) if row.status is Status.SCORED and row.image_path is not None]
    chosen = {row.sample_id: row for row in anchor_subset(scored, samples, config.runtime.seed)}
    keys = run.verdict_keys(info.run_key)
    if not chosen:
        return
    for item in load_samples(config.benchmark.data_path, Selection.of(config.benchmark)):
        if isinstance(item, EditSample) and (then := chosen.pop(item.sample_id, None)):
            try:
                sample, source = within_limit(item, config.benchmark, pixels)
            except ImageError as error:
                left_out[f"the source image: {error}"] += 1
                continue
            pending = plan.pending_verdict(sample, then.edit_key or "")
            if sample.source_key(source) != then.source_sha256:
                left_out["the benchmark has another source picture today"] += 1
            elif not run.has_edit(then.edit_key or ""):
                left_out["the edited picture is damaged"] += 1
            elif pending.verdict_key != keys[then.sample_id]:
                left_out["the question is another one today: its prompt, the sample's texts or its reference"] += 1
            else:
                yield _Anchor(then, sample, pending)
    if chosen:
        left_out["the benchmark does not have the sample today"] += len(chosen)


def _begun(
    record: Record, target: Path, config: Config, plan: ScorerPlan, info: RunInfo, anchors: Sequence[_Anchor]
) -> RunInfo:
    """The measurement as its record stores it: one that was broken off, or a new one.

    Raises:
        OutputError: the folder is that of a run.
    """
    asked = digest([anchor.pending.verdict_key for anchor in anchors])
    about: dict[str, Any] = {"class": _CLASS, "of": info.run_key, "anchors": asked, "samples": len(anchors)}
    begun = datetime.now(UTC).isoformat(timespec="milliseconds")
    if before := record.runs(most=1):
        earlier = before[0].editor
        if earlier.get("class") != _CLASS:
            raise OutputError(f"{target} holds a run, which a drift would be mixed with; choose another --output-dir")
        ended = before[0].attempts and before[0].attempts[-1].outcome == "finished"
        if earlier == about | {"begun": earlier.get("begun")} and not ended:
            begun = earlier["begun"]
    about["begun"] = begun
    return run_info(config, plan, drift_run_key(about), about)


class _Asking(Observer):
    """Puts what the record of today does not hold yet to the scorer."""

    def __init__(
        self, record: Record, run_key: str, plan: ScorerPlan, run: Record, pixels: PixelBudget, tally: Tally
    ) -> None:
        self._record = record
        self._run_key = run_key
        self._plan = plan
        self._run = run
        self._tally = tally
        self._stages = Stages(record, plan.scorer, self, pixels, load_scorer=self._load_scorer)

    def run(self, anchors: Sequence[_Anchor], tick: Callable[[], None]) -> None:
        """Judges all anchors."""

        def read(stopping: threading.Event) -> Iterator[WorkItem]:
            for anchor in anchors:
                if stopping.is_set():
                    return
                self._tally.add(read=1)
                if item := self._item(anchor):
                    yield item

        self._stages.run(read, tick, edits=False)

    def _item(self, anchor: _Anchor) -> WorkItem | None:
        """Notes the anchor; None where today's verdict is known from before a break."""
        then, edit_key = anchor.then, anchor.then.edit_key or ""
        key = drift_verdict_key(self._run_key, anchor.pending.verdict_key)
        keys = SampleKeys(then.seed or 0, then.source_sha256 or "", edit_key, key)
        self._record.add_sample(self._run_key, anchor.sample, keys)
        if self._record.has_verdict(key):
            self._tally.add(verdicts_reused=1)
            return None
        source = None if anchor.sample.source is None else anchor.sample.source.decode()
        edited = open_rgb(self._run.edit_path(edit_key))
        pending = replace(anchor.pending, verdict_key=key)
        return work_item(anchor.sample, edit_key, [pending], pictures=(source, edited))

    def _load_scorer(self) -> None:
        with self._tally.while_loading(self._plan.name):
            self._plan.scorer.load()

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Counts the verdict."""
        self._tally.add_verdict(verdict)
