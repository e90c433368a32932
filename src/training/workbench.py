"""`Workbench`: the frozen editor and the scorer of a training run — instructions in, verdicts out.

Editing and judging are joined by the benchmark's own stages: the next batch is edited while this one is judged. Work is
found again by the benchmark's content keys, so that nothing is done twice: not within a step, not in a later step, not
after a resume.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from src.config import BenchmarkConfig, Config
from src.data.image import LazyImage, content_hash, image_size, open_rgb
from src.data.sample import EditSample
from src.errors import ConfigError, EditLoopError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.editing import EditFailure, Job, edit_jobs
from src.pipeline.flow import Channel, Flow, ThreadWorker
from src.pipeline.keys import digest, edit_key, sample_seed, verdict_key
from src.pipeline.pixels import PixelBudget, decoded_bytes
from src.pipeline.plan import RunPlan
from src.pipeline.record import SampleKeys
from src.reasons import reason_of
from src.registry import build
from src.rewards.base import EditedSample
from src.rewards.verdict import Status, Verdict, failed
from src.training.claims import POLL, Claims
from src.training.config import TrainingConfig
from src.training.record import TrainingRecord
from src.training.rewards import Outcome

logger = logging.getLogger(__name__)

STORE_WORKERS = 2
CHANNEL_SIZE = 8
"""Pictures that wait between two stages, in memory."""


@dataclass(frozen=True)
class Order:
    """One instruction to carry out and to judge."""

    sample: EditSample
    """With the user's own instruction: what the judge sees."""
    canvas: LazyImage
    """What is edited: the sample's source, or a first attempt."""
    instruction: str
    """What the editor gets."""
    completion: str | None = None
    """The policy's whole text; None for the user's own words."""


@dataclass
class Counts:
    """What was done for one list of orders."""

    edits_made: int = 0
    verdicts_made: int = 0
    edit_seconds: float = 0.0
    """During which an editor was at work, over the number of editors."""
    judge_seconds: float = 0.0
    """The same of the scorer's workers."""


@dataclass(eq=False)
class _Piece:
    """A distinct edit and the distinct judgements that wait for it. Pixels are there only while they are worked on."""

    job: Job
    judgements: dict[str, Order] = field(default_factory=dict)
    """By verdict key."""


class Workbench:
    """The editor and the scorer of a config; `load` builds them.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    def __init__(self, config: TrainingConfig) -> None:
        if config.diffusion_model is None:
            raise ConfigError("this task edits images: add diffusion_model.class_path (and params)")
        benchmark = BenchmarkConfig(data_path=config.data.files[0].path, language=config.data.language)
        self.plan = RunPlan(
            Config(
                benchmark=benchmark,
                diffusion_model=config.diffusion_model,
                reward_model=config.reward_model,
                scorer=config.scorer,
                prompts=config.prompts,
                runtime=config.training.runtime,
            ),
            has_completions=True,
        )
        self.plan.scorer.check_categories(config.data.categories or [])
        self._editor_digest = digest(self.plan.editor_identity)
        self._scorer_digest = digest(self.plan.scorer_identity)
        self._editors: list[BaseDiffusionModel] = []
        self.pixels = PixelBudget(self.plan.config.runtime.decoded_megabytes)
        self._record: TrainingRecord | None = None
        self._warned_of_lost = False

    def load(self, record: TrainingRecord) -> None:
        """Builds editors and judge; results go to `record`."""
        self._record = record
        for params in self.plan.editor_replicas():
            editor = build(self.plan.editor_class, params)
            editor.load_to_gpu()
            self._editors.append(editor)
        self.plan.scorer.load()

    def unload(self) -> None:
        """Frees the accelerator of editors and judge, if they were loaded."""
        for editor in self._editors:
            editor.unload_from_gpu()
        self._editors.clear()
        if self.plan.judge is not None:
            self.plan.judge.unload()

    @property
    def record(self) -> TrainingRecord:
        """Where edits and verdicts are kept."""
        assert self._record is not None, "load() must be called before any work"
        return self._record

    def keys(self, order: Order, canvas_sha256: str) -> SampleKeys:
        """The content keys of an order. Orders of one sample share its seed: rewards differ through the text alone."""
        seed = sample_seed(self.plan.config.seed, order.sample.sample_id)
        edit = edit_key(self._editor_digest, canvas_sha256, order.instruction, seed)
        question = self.plan.scorer.inapplicable(order.sample) or self.plan.scorer.question(order.sample)
        if self.plan.scorer.reads_completion:
            question = [question, order.completion]
        return SampleKeys(seed, canvas_sha256, edit, verdict_key(self._scorer_digest, question, edit))

    def edit(self, orders: Sequence[Order]) -> list[LazyImage | EditFailure]:
        """The edits alone, one an order, from where the record keeps them."""
        return _Pass(self, orders, judges=False).edits()

    def edit_and_judge(self, orders: Sequence[Order]) -> tuple[list[Outcome], Counts]:
        """One outcome an order, in their order, whatever the order in which the work is finished.

        Raises:
            EditLoopError: when editor or judge can serve nothing at all, or the record cannot be written.
        """
        return _Pass(self, orders, judges=True).outcomes()

    def warn_of_lost(self, reused: Sequence[SampleKeys]) -> None:
        """Says once that verdicts are reused whose pictures are no more; such verdicts stand."""
        if self._warned_of_lost:
            return
        if lost := {keys.edit_key for keys in reused if not self.record.edit_path(keys.edit_key).is_file()}:
            self._warned_of_lost = True
            logger.warning(
                "%d edits of this step are missing in %s although their verdicts are recorded: the rewards stand, the "
                "pictures are not made again and pages show none (later steps are not warned of)",
                *(len(lost), self.record.edits_dir),
            )

    @property
    def editors(self) -> list[BaseDiffusionModel]:
        """One per device."""
        return self._editors


class _Pass:
    """One list of orders on its way through the stages."""

    def __init__(self, bench: Workbench, orders: Sequence[Order], *, judges: bool) -> None:
        self._bench = bench
        self._record = bench.record
        self._scorer = bench.plan.scorer
        self._judges = judges
        self._counts = Counts()
        self._lock = threading.Lock()
        self._verdicts: dict[str, Verdict] = {}
        self._failures: dict[str, EditFailure] = {}
        self._keys: list[SampleKeys] = []
        self._pieces: dict[str, _Piece] = {}
        for order in orders:
            self._take(order)

    def _take(self, order: Order) -> None:
        canvas = order.canvas.read_bytes()
        keys = self._bench.keys(order, content_hash(canvas))
        self._keys.append(keys)
        if keys.edit_key not in self._pieces:
            job = Job(replace(order.sample, instruction=order.instruction), keys, order.canvas)
            job.source_size = image_size(canvas)
            self._pieces[keys.edit_key] = _Piece(job)
        self._pieces[keys.edit_key].judgements[keys.verdict_key] = order

    def outcomes(self) -> tuple[list[Outcome], Counts]:
        """Edits and judges what the record does not hold yet."""
        self._run()
        self._bench.warn_of_lost([keys for keys in self._keys if keys.verdict_key in self._verdicts])
        return [Outcome(self._verdict(keys), keys.edit_key, keys.verdict_key) for keys in self._keys], self._counts

    def edits(self) -> list[LazyImage | EditFailure]:
        """Edits what the record does not hold yet."""
        self._run()
        return [
            self._failures.get(keys.edit_key) or LazyImage(path=self._record.edit_path(keys.edit_key))
            for keys in self._keys
        ]

    def _run(self) -> None:
        """Does what no other process is doing, then looks what has become of the rest."""
        waiting = [piece for piece in self._pieces.values() if self._is_open(piece)]
        if not waiting:
            return
        with Claims(self._record) as claims:
            while waiting:
                ours = [piece for piece in waiting if claims.take(piece.job.keys.edit_key)]
                waiting = [piece for piece in waiting if piece not in ours]
                # What another process has just finished and given up is ours and done.
                if to_do := [piece for piece in ours if self._is_open(piece)]:
                    self._flow(to_do, claims).run(lambda: None)
                elif waiting:
                    time.sleep(POLL)

    def _is_open(self, piece: _Piece) -> bool:
        """Whether anything is left to do, now that the record is asked; what it knows is taken from there."""
        if not self._judges:
            return not self._record.has_edit(piece.job.keys.edit_key)
        known = {key: self._record.verdict(key) for key in piece.judgements}
        self._verdicts |= {key: verdict for key, verdict in known.items() if verdict is not None}
        piece.judgements = {key: order for key, order in piece.judgements.items() if known[key] is None}
        return bool(piece.judgements)

    def _verdict(self, keys: SampleKeys) -> Verdict:
        if failure := self._failures.get(keys.edit_key):
            return failed(Status.EDIT_FAILED, failure.reason)
        return self._verdicts[keys.verdict_key]

    def _flow(self, pieces: Sequence[_Piece], claims: Claims) -> Flow:
        flow = Flow()
        editors = self._bench.editors
        to_edit: Channel[_Piece] = Channel(max(CHANNEL_SIZE, 2 * editors[0].batch_size))
        to_store: Channel[_Piece] = Channel(CHANNEL_SIZE)
        # What waits for the judge holds no pixels, so all of it may wait: the editor is never held up.
        to_judge: Channel[tuple[_Piece, str]] = Channel(sum(len(piece.judgements) for piece in pieces) + 1)

        def read() -> None:
            for piece in pieces:
                if not self._record.has_edit(piece.job.keys.edit_key):
                    with self._bench.pixels.use(decoded_bytes(piece.job.source_size)):
                        piece.job.decode()
                        piece.job.rest(self._bench.pixels)
                    to_edit.put(piece)
                else:
                    self._pass_on(piece, to_judge)

        flow.source(read, [to_edit])
        flow.stage(
            to_edit,
            lambda: [
                ThreadWorker(partial(self._edit, editor, to_store, claims))
                for editor in editors
                for _ in range(editor.max_concurrency)
            ],
            name="edit",
            batch_size=lambda: editors[0].batch_size,
            full_batches=True,
            outbox=to_store,
        )
        flow.stage(
            to_store,
            lambda: [ThreadWorker(partial(self._store, to_judge, claims)) for _ in range(STORE_WORKERS)],
            name="store",
            outbox=to_judge,
            drains=True,
        )
        flow.stage(
            to_judge,
            lambda: [ThreadWorker(partial(self._judge, claims)) for _ in range(self._scorer.max_concurrency)],
            name="judge",
            batch_size=lambda: self._scorer.batch_size,
        )
        return flow

    def _edit(
        self, editor: BaseDiffusionModel, to_store: Channel[_Piece], claims: Claims, pieces: list[_Piece]
    ) -> None:
        failures = edit_jobs(editor, [piece.job for piece in pieces], self._bench.pixels)
        seconds = sum(piece.job.edit_seconds for piece in pieces)
        self._count(edits_made=len(pieces), edit_seconds=seconds / len(self._bench.editors) / editor.max_concurrency)
        for piece, failure in zip(pieces, failures, strict=True):
            if failure is not None:
                key = piece.job.keys.edit_key
                self._record.add_failed_edit(key, failure.reason, piece.job.edit_seconds)
                self._failures[key] = failure
                claims.give_up(key)
            else:
                to_store.put(piece)

    def _store(self, to_judge: Channel[tuple[_Piece, str]], claims: Claims, pieces: list[_Piece]) -> None:
        for piece in pieces:
            job = piece.job
            self._record.add_edit(job.keys.edit_key, job.take_png(), job.edit_seconds, job.sizes)
            job.leave(self._bench.pixels)
            if self._judges:
                self._pass_on(piece, to_judge)
            else:
                claims.give_up(job.keys.edit_key)

    def _pass_on(self, piece: _Piece, to_judge: Channel[tuple[_Piece, str]]) -> None:
        for key in piece.judgements:
            to_judge.put((piece, key))

    def _judge(self, claims: Claims, waiting: list[tuple[_Piece, str]]) -> None:
        for portion, amount in self._bench.pixels.portions(waiting, lambda one: one[0].job.judging_bytes):
            with self._bench.pixels.use(amount):
                started = time.perf_counter()
                edits = [self._edited_sample(piece, piece.judgements[key]) for piece, key in portion]
                verdicts = self._scored(edits)
                seconds = time.perf_counter() - started
            self._count(verdicts_made=len(portion), judge_seconds=seconds / self._scorer.max_concurrency)
            self._note(claims, portion, verdicts)

    def _note(self, claims: Claims, waiting: list[tuple[_Piece, str]], verdicts: list[Verdict]) -> None:
        for (piece, key), verdict in zip(waiting, verdicts, strict=True):
            self._record.add_verdict(key, verdict)
            self._verdicts[key] = verdict
            if all(one in self._verdicts for one in piece.judgements):
                claims.give_up(piece.job.keys.edit_key)

    def _scored(self, edits: list[EditedSample]) -> list[Verdict]:
        try:
            return self._scorer.score(edits)
        except EditLoopError:
            raise
        except Exception as error:  # a scorer may fail in any way; the completions are masked, training goes on
            return [failed(Status.JUDGE_FAILED, reason_of(error))] * len(edits)

    def _edited_sample(self, piece: _Piece, order: Order) -> EditedSample:
        edited = open_rgb(self._record.edit_path(piece.job.keys.edit_key))
        return EditedSample(order.sample, order.sample.source.decode(), edited, order.completion)

    def _count(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self._counts, name, getattr(self._counts, name) + amount)
