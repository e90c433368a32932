"""One evaluation run: read → edit → store → judge → record, overlapped or in two stages, resumable at any moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from src.config import Config
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample, PassedOver
from src.data.selected_content import SelectedContent
from src.data.verdict import Verdict
from src.errors import DataError
from src.models.device import free_memory
from src.models.diffusion.batching import EditFailure
from src.pipeline.budget import Budget, BudgetSpent
from src.pipeline.costs import measured_price
from src.pipeline.editors import Editors
from src.pipeline.output import opened
from src.pipeline.picture_view import PictureView
from src.pipeline.pixels import PixelBudget
from src.pipeline.plan import RunPlan
from src.pipeline.reader import Reader
from src.pipeline.redone import reasons_to_redo
from src.pipeline.stages import Observer, Stages
from src.pipeline.tally import Tally
from src.pipeline.undone_first import undone_first
from src.pipeline.work_item import PendingVerdict, WorkItem
from src.record.record import DONE, Record
from src.record.results import BUDGET_SPENT
from src.record.shards import Content, note_content
from src.reporting.report import build_report
from src.reporting.sample_rows import recorded_report
from src.reporting.wording import budget_spent
from src.reporting.write import ReportPaths, write_reports

logger = logging.getLogger(__name__)

Samples = Iterable[EditSample | BadSample | PassedOver]


@dataclass(frozen=True)
class FinishedRun:
    """The report of a run that has come to its end, and the files that hold it."""

    report: dict[str, Any]
    paths: ReportPaths

    @property
    def budget_spent(self) -> bool:
        """Whether the run stopped before all was done as its budget was spent."""
        return budget_spent(self.report)

    @property
    def nothing_scored(self) -> bool:
        """Whether there were samples and none of them was scored; a shard may have no samples."""
        overall = self.report["overall_statistics"]
        return overall["num_samples"] == 0 and overall["total"] > 0


def evaluate(
    config: Config, tick: Callable[[Tally], None] = lambda tally: None, *, with_samples: bool = True
) -> FinishedRun:
    """Runs the benchmark of a config and writes its reports.

    Args:
        config: What to run; `evaluation.resume_from_checkpoint` goes on with what `output_dir` holds.
        tick: Called about ten times a second in the calling thread, for a progress display.
        with_samples: Whether the report that is returned has every sample, which may be many; else it has none.

    Raises:
        EditLoopError: for everything that makes the run as a whole impossible. What was finished is in the record.
        KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
    """
    plan = RunPlan(config)
    plan.check_devices()
    tally = Tally(limit=config.benchmark.limit, seconds_to_wait=plan.scoring.scorer.seconds_to_wait)
    content = SelectedContent()
    samples = _peek(load_samples(config.benchmark.data_path, plan.selection, tally.reading, tally.left_out, content))
    view = PictureView(config.evaluation.images, config.evaluation.output_dir)
    with opened(config.evaluation, view) as record:
        for sentence in reasons_to_redo(record, plan.info()):
            logger.warning("%s", sentence)
        with _attempt(record, plan, tally):
            Evaluation(plan, record, tally, view).run(samples, lambda: tick(tally), content)
            if plan.selection.shard is not None:
                note_content(record.output_dir, plan.run_key, Content(content.items, content.digest()))
        return report_run(record, config, with_samples=with_samples)


def report_run(record: Record, config: Config, *, with_samples: bool) -> FinishedRun:
    """Writes the reports of the latest run from the record alone; see `evaluate`."""
    settings = config.evaluation
    with record.unchanging():
        report = recorded_report(record, settings.metrics)
        paths = write_reports(report, settings.results, datetime.now(), settings.output_dir)
        return FinishedRun(report | {"samples": list(report["samples"]) if with_samples else []}, paths)


def latest_report(record: Record, config: Config) -> dict[str, Any]:
    """The report of the latest run from the record alone, with every sample."""
    info = record.latest_run()
    return build_report(info, record.results(info.run_key), config.evaluation.metrics)


def _peek(samples: Iterator[EditSample | BadSample]) -> Samples:
    """Fetches the first sample now, so that an unusable benchmark is found before the output directory is touched.

    A shard may have none.
    """
    return chain(list(islice(samples, 1)), samples)


@contextmanager
def _attempt(record: Record, plan: RunPlan, tally: Tally) -> Iterator[None]:
    record.begin_attempt(plan.info())
    outcome = "failed"
    try:
        yield
        outcome = "finished"
    except BudgetSpent as end:
        outcome = f"{BUDGET_SPENT}: {end}"
        logger.warning("the run stops as its budget is spent: %s", end)
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        record.note_left_out(plan.run_key, tally.left_out)
        record.end_attempt(outcome, tally.seconds, tally.edits_reused, tally.verdicts_reused)


class Evaluation(Observer):
    """The passes of one run through the stages, and what is counted and shown of them."""

    def __init__(self, plan: RunPlan, record: Record, tally: Tally, view: PictureView) -> None:
        self._plan = plan
        self._record = record
        self._tally = tally
        self._view = view
        self._keeps_pictures = plan.config.evaluation.save_generated_images
        self._pixels = PixelBudget(plan.config.runtime.decoded_megabytes)
        self._editors: list[Editors] = []
        tally.seconds_to_wait_to_edit = lambda: max((one.seconds_to_wait() for one in self._editors), default=0.0)
        self._stages: Stages | None = None
        self._read_whole_file = False
        earlier = sum(attempt.seconds or 0 for attempt in record.latest_run().attempts)
        self._budget = Budget(
            plan.config.evaluation.budget,
            record.paid_usage(plan.run_key) if plan.config.evaluation.budget else (),
            lambda: earlier + tally.seconds,
            measured_price(plan) if plan.config.evaluation.budget else None,
        )
        self._broken_data: DataError | None = None

    def run(self, samples: Samples, tick: Callable[[], None], content: SelectedContent) -> None:
        """Does all the work that the record does not hold yet.

        Args:
            samples: All samples in file order, for a run of which nothing is done.
            tick: Called about ten times a second.
            content: Gets what is read of the benchmark, where the run is a shard.

        Raises:
            EditLoopError: when the run cannot go on, or the benchmark file breaks off (after what came before is done).
            BudgetSpent: the budget was spent before all was done.
        """
        two_stage = self._plan.two_stage()
        done = self._record.claimed(self._plan.run_key, judged=not two_stage)
        kept = [(*name, place) for place, name in done.items()] if self._keeps_pictures else []
        self._view.clear(self._record.named_samples, keep=kept)
        try:
            self._passes(self._in_order(samples, done, self._tally, content), tick, two_stage=two_stage)
        finally:
            if self._plan.editor.placement is not None:
                self._free_editors()
                self._plan.scoring.unload()
                self._plan.editor.placement.release()
        if self._broken_data is not None:
            raise self._broken_data
        spent = self._budget.spent()
        if spent and not (self._read_whole_file and self._tally.judged >= self._tally.read):
            raise BudgetSpent(spent)
        self._record.forget_unseen_samples(self._plan.run_key)
        if self._keeps_pictures:
            self._view.clear_unshown()
            self._view.warn_of_strangers()

    def _passes(self, samples: Samples, tick: Callable[[], None], *, two_stage: bool) -> None:
        if two_stage:
            self._pass(samples, tick, judges=False)
            self._free_editors()
            again = load_samples(self._plan.config.benchmark.data_path, self._plan.selection)
            judged = self._record.claimed(self._plan.run_key, judged=True)
            self._pass(self._in_order(again, judged, Tally()), tick, edits=False)
        else:
            self._pass(samples, tick)

    def _in_order(
        self,
        samples: Samples,
        done: Mapping[int, tuple[str, str]],
        tally: Tally,
        content: SelectedContent | None = None,
    ) -> Samples:
        """The samples in file order; where the record says that some are done, those come last."""
        if not done:
            return samples
        known = {place: sample_id for place, (_, sample_id) in done.items()}
        return undone_first(self._plan.config.benchmark, known, tally, content)

    def _pass(self, samples: Samples, tick: Callable[[], None], *, edits: bool = True, judges: bool = True) -> None:
        reader = Reader(self._plan, self._record, self._view, self._tally, self._pixels, counts=edits)

        def read(stopping: threading.Event) -> Iterator[WorkItem]:
            try:
                for item in reader.items(self._whole(samples), stopping):
                    if self._budget.spent():
                        item.release_pixels(self._pixels)
                        return
                    yield item
            except DataError as error:  # what was read before the break is still worth finishing
                self._broken_data = error

        stages = self._stages = Stages(
            self._record,
            self._plan.scoring.scorer,
            self,
            self._pixels,
            load_editors=self._load_editors,
            load_scorer=self._load_scorer,
        )

        def watch() -> None:
            tick()
            self._stop_if_spent()

        stages.run(read, watch, edits=edits, judges=judges)

    def _whole(self, samples: Samples) -> Samples:
        """Notes whether the samples were read to their end."""
        self._read_whole_file = False
        yield from samples
        self._read_whole_file = True

    def _stop_if_spent(self) -> None:
        if self._stages is not None and self._budget.spent():
            self._stages.stop()

    def edit_tried(self, item: WorkItem, failure: EditFailure | None) -> None:
        """Counts failed edits; the others are counted when they are stored."""
        if failure is not None:
            self._tally.add(edits_failed=1)

    def stored(self, item: WorkItem) -> None:
        """Counts and shows the edit."""
        self._tally.add(edits_made=1, verdicts_reused=item.judged)
        if self._keeps_pictures:
            sample = item.pending_verdicts[0].sample
            self._view.show(self._record.edit_path(item.edit_key), sample.category, sample.sample_id, sample.index)

    @contextmanager
    def judging(self, calls: Sequence[Sequence[PendingVerdict]], stopping: threading.Event) -> Iterator[int]:
        """Admits what the budget holds; stops the run where it holds nothing more."""
        with self._budget.reserved([sum(map(self._questions, call)) for call in calls], stopping) as count:
            yield count
        if not count:
            self._stop_if_spent()

    def _questions(self, pending: PendingVerdict) -> int:
        """How many questions a verdict takes; without a budget nobody wants to know."""
        return self._plan.scoring.scorer.judge_calls(pending.sample) if self._plan.config.evaluation.budget else 0

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Counts the verdict; after a final one, the picture goes if it is not to be kept."""
        self._tally.add_verdict(verdict)
        if verdict.status in DONE and not self._keeps_pictures:
            self._record.drop_picture(item.edit_key)
        self._budget.add(verdict, self._questions(pending))
        self._stop_if_spent()

    def _load_editors(self) -> list[Editors]:
        with self._loading(self._plan.editor.name):
            self._editors.extend(self._plan.editor.load_for_stages(self._plan.judges_beside_editors()))
        return self._editors

    def _load_scorer(self) -> None:
        with self._loading(self._plan.scoring.name):
            if self._plan.editor.placement is not None:
                self._plan.editor.placement.reserve(self._plan.judges_beside_editors())
            self._plan.scoring.scorer.load()

    @contextmanager
    def _loading(self, name: str) -> Iterator[None]:
        logger.info("loading %s", name)
        with self._tally.while_loading(name):
            yield

    def _free_editors(self) -> None:
        for editors in self._editors:
            editors.close()
        self._editors.clear()
        free_memory()
