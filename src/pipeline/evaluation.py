"""One evaluation run: read → edit → store → judge → record, overlapped or in two stages, resumable at any moment."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from src.config import Config
from src.data.image import content_hash, open_rgb
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.errors import DataError, EditLoopError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.editing import Job, edit_jobs
from src.pipeline.flow import Channel, Flow, ThreadWorker
from src.pipeline.output import exclusive, set_aside
from src.pipeline.picture_view import PictureView
from src.pipeline.pixels import PixelBudget
from src.pipeline.plan import RunPlan
from src.pipeline.reader import Reader
from src.pipeline.record import DONE, Record
from src.pipeline.redone import redone
from src.pipeline.tally import Tally
from src.reasons import reason_of
from src.registry import build
from src.reporting.report import build_report
from src.reporting.write import ReportPaths, write_reports
from src.rewards.base import EditedSample
from src.rewards.verdict import Status, Verdict, failed

logger = logging.getLogger(__name__)

Item = EditSample | BadSample
STORE_WORKERS = 2
CHANNEL_SIZE = 8
"""Samples that wait between two stages; the budget of their pixels is a further limit."""


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    report: dict[str, Any]
    paths: ReportPaths


def evaluate(config: Config, tick: Callable[[Tally], None] = lambda tally: None) -> Outcome:
    """Runs the benchmark of a config and writes its reports.

    Args:
        config: What to run; `evaluation.resume_from_checkpoint` goes on with what `output_dir` holds.
        tick: Called about ten times a second in the calling thread, for a progress display.

    Raises:
        EditLoopError: for everything that makes the run as a whole impossible. What was finished is in the record.
        KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
    """
    plan = RunPlan(config)
    plan.check_devices()
    tally = Tally(limit=config.benchmark.limit)
    items = _peek(load_samples(config.benchmark.data_path, plan.selection, tally.reading, tally.left_out))
    output_dir = config.evaluation.output_dir
    view = PictureView(config.evaluation.images, output_dir)
    with exclusive(output_dir):
        if config.evaluation.save_generated_images:
            view.refuse_others()
        fresh = not config.evaluation.resume_from_checkpoint
        if fresh and (old := set_aside(output_dir, config.evaluation.images, view)):
            logger.warning("%s held an earlier run; its record and pictures are now in %s", output_dir, old)
        record = Record(output_dir)
        try:
            for sentence in redone(record, plan.info()):
                logger.warning("%s", sentence)
            with _attempt(record, plan, tally):
                Evaluation(plan, record, tally, view).run(items, lambda: tick(tally))
            return report_run(record, config)
        finally:
            record.close()


def report_run(record: Record, config: Config) -> Outcome:
    """Writes the reports of the latest run from the record alone."""
    report = latest_report(record, config)
    return Outcome(report, write_reports(report, config.evaluation.results, datetime.now()))


def latest_report(record: Record, config: Config) -> dict[str, Any]:
    """The report of the latest run from the record alone."""
    info = record.latest_run()
    return build_report(info, record.results(info.run_key), config.evaluation.metrics)


def _peek(items: Iterator[Item]) -> Iterator[Item]:
    """Fetches the first item now, so that an unusable benchmark is found before the output directory is touched."""
    return chain([next(items)], items)


@contextmanager
def _attempt(record: Record, plan: RunPlan, tally: Tally) -> Iterator[None]:
    record.begin_attempt(plan.info())
    outcome = "failed"
    try:
        yield
        outcome = "finished"
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        record.note_left_out(plan.run_key, tally.left_out)
        record.end_attempt(outcome, tally.seconds, tally.edits_reused, tally.verdicts_reused)


class Evaluation:
    """The stages of one run and what they share."""

    def __init__(self, plan: RunPlan, record: Record, tally: Tally, view: PictureView) -> None:
        self._plan = plan
        self._record = record
        self._tally = tally
        self._run_key = plan.run_key
        self._settings = plan.config.evaluation
        self._view = view
        self._pixels = PixelBudget(plan.config.runtime.decoded_megabytes)
        self._editors: list[BaseDiffusionModel] = []
        self._broken_data: DataError | None = None

    def run(self, items: Iterable[Item], tick: Callable[[], None]) -> None:
        """Does all the work that the record does not hold yet.

        Raises:
            EditLoopError: when the run cannot go on, or the benchmark file breaks off (after what came before is done).
        """
        self._view.clear(self._record.named_samples())
        if self._settings.save_generated_images:
            self._view.warn_of_strangers()
        if self._plan.two_stage():
            self._pass(items, tick, edits=True, judges=False)
            self._free_editors()
            benchmark = self._plan.config.benchmark
            again = load_samples(benchmark.data_path, self._plan.selection)
            self._pass(again, tick, edits=False, judges=True)
        else:
            self._pass(items, tick, edits=True, judges=True)
        if self._broken_data is not None:
            raise self._broken_data
        self._record.forget_unseen_samples(self._run_key)

    def _pass(self, items: Iterable[Item], tick: Callable[[], None], *, edits: bool, judges: bool) -> None:
        flow = Flow()
        to_edit: Channel[Job] = Channel(CHANNEL_SIZE)
        to_store: Channel[Job] = Channel(STORE_WORKERS)
        to_judge: Channel[Job] = Channel(CHANNEL_SIZE)
        reader = Reader(
            self._plan,
            self._record,
            self._view,
            self._tally,
            to_edit if edits else None,
            to_judge if judges else None,
            self._pixels,
        )

        def read() -> None:
            try:
                reader.read(items, flow)
            except DataError as error:  # what was read before the break is still worth finishing
                self._broken_data = error

        flow.source(read, [to_edit])
        flow.stage(
            to_edit,
            lambda: self._edit_workers(to_store),
            name="edit",
            batch_size=lambda: self._editors[0].batch_size,
            full_batches=True,
            outbox=to_store,
        )
        store = partial(self._store, to_judge if judges else None)
        flow.stage(
            to_store,
            lambda: [ThreadWorker(store) for _ in range(STORE_WORKERS)],
            name="store",
            outbox=to_judge,
            drains=True,
        )
        flow.stage(to_judge, self._judge_workers, name="judge", batch_size=lambda: self._plan.scorer.batch_size)
        flow.run(tick)

    def _edit_workers(self, to_store: Channel[Job]) -> list[ThreadWorker[Job]]:
        workers = []
        for params in self._plan.editor_replicas():
            with self._loading(self._plan.editor_class.__name__):
                editor = build(self._plan.editor_class, params)
                editor.load_to_gpu()
            self._editors.append(editor)
            edit = partial(self._edit, editor, to_store)
            workers += [ThreadWorker(edit) for _ in range(editor.max_concurrency)]
        return workers

    def _edit(self, editor: BaseDiffusionModel, to_store: Channel[Job], jobs: list[Job]) -> None:
        for job, failure in zip(jobs, edit_jobs(editor, jobs, self._pixels), strict=True):
            if failure is not None:
                self._record.add_failed_edit(job.keys.edit_key, failure.reason, job.edit_seconds)
                self._tally.add(edits_failed=1)
            else:
                to_store.put(job)

    def _store(self, to_judge: Channel[Job] | None, jobs: list[Job]) -> None:
        for job in jobs:
            png = job.take_png()
            if self._settings.save_generated_images and job.lost is not None and job.lost != content_hash(png):
                logger.warning("the lost edit of %s came out differently; it is judged anew", job.sample.sample_id)
                self._record.forget_verdicts(job.keys.edit_key)
                job.judged = False
            self._record.add_edit(job.keys.edit_key, png, job.edit_seconds, job.sizes)
            self._tally.add(edits_made=1)
            if self._settings.save_generated_images:
                self._view.show(self._record.edit_path(job.keys.edit_key), job.sample.category, job.sample.sample_id)
            if job.judged:
                self._tally.add(verdicts_reused=1)
            if job.judged or to_judge is None:
                job.leave(self._pixels)
            else:
                to_judge.put(job)

    def _judge_workers(self) -> list[ThreadWorker[Job]]:
        with self._loading(self._plan.judge.name if self._plan.judge else type(self._plan.scorer).__name__):
            self._plan.scorer.load()
        return [ThreadWorker(self._judge) for _ in range(self._plan.scorer.max_concurrency)]

    def _judge(self, jobs: list[Job]) -> None:
        for portion, amount in self._pixels.portions(jobs, lambda job: job.judging_bytes):
            with self._pixels.use(amount, portion):
                verdicts = self._verdicts(portion)
                for job in portion:
                    job.leave(self._pixels)
            self._note(portion, verdicts)

    def _note(self, jobs: list[Job], verdicts: list[Verdict]) -> None:
        for job, verdict in zip(jobs, verdicts, strict=True):
            self._record.add_verdict(job.keys.verdict_key, verdict)
            scored = verdict.status is Status.SCORED
            self._tally.add(verdicts_made=scored, verdicts_failed=not scored)
            if verdict.status in DONE and not self._settings.save_generated_images:
                self._record.drop_picture(job.keys.edit_key)

    def _verdicts(self, jobs: list[Job]) -> list[Verdict]:
        try:
            return self._plan.scorer.score([self._edited_sample(job) for job in jobs])
        except EditLoopError:
            raise
        except Exception as error:  # a scorer may fail in any way; its samples are counted, the run goes on
            logger.exception("the scorer failed on %s", ", ".join(job.sample.sample_id for job in jobs))
            return [failed(Status.JUDGE_FAILED, reason_of(error))] * len(jobs)

    def _edited_sample(self, job: Job) -> EditedSample:
        """The pixels that the judge sees; those of a resumed sample are read here."""
        source = job.source or job.sample.source.decode()
        edited = job.edited or open_rgb(self._record.edit_path(job.keys.edit_key))
        return EditedSample(job.sample, source, edited)

    @contextmanager
    def _loading(self, name: str) -> Iterator[None]:
        logger.info("loading %s", name)
        self._tally.loading = name
        yield
        self._tally.loading = ""

    def _free_editors(self) -> None:
        for editor in self._editors:
            editor.unload_from_gpu()
        self._editors.clear()
        gc.collect()
        if torch := sys.modules.get("torch"):
            torch.cuda.empty_cache()
