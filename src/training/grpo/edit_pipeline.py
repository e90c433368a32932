"""`EditPipeline`: the frozen editor and the scorer of a training run — instructions in, verdicts out.

Editing and judging are joined by the benchmark's own stages: the next batch is edited while this one is judged. Work is
found again by the benchmark's content keys, so that nothing is done twice: not within a step, not in a later step, not
after a resume.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from src.cluster.seat import SharedPool
from src.data.image import LazyImage, image_size
from src.data.sample import EditSample
from src.data.verdict import Verdict
from src.errors import ConfigError
from src.models.diffusion.batching import EditFailure
from src.models.diffusion.edit_input import EditInput
from src.pipeline.editor_plan import EditorPlan
from src.pipeline.editors import Editors
from src.pipeline.pixels import PixelBudget
from src.pipeline.scorer_plan import ScorerPlan
from src.pipeline.stages import Observer, Stages
from src.pipeline.work_item import PendingVerdict, WorkItem, work_item
from src.record.rows import failed_edit
from src.training.config import TrainingConfig
from src.training.grpo.processes import ALONE, Processes
from src.training.grpo.rollout import CompletionOutcome
from src.training.storage.claims import POLL, Claims
from src.training.storage.record import TrainingRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RewardRequest:
    """One instruction to carry out and to judge."""

    sample: EditSample
    """The sample with the user's own instruction, as the judge sees it."""
    source: LazyImage | None
    """The picture that is edited: the sample's source, or a first attempt. None for a picture of text alone."""
    instruction: str
    """The instruction that the editor gets."""
    completion: str | None = None
    """The policy's whole text; None for the user's own words."""
    conditioning: EditInput | None = None
    """What the editor is given in the place of the instruction, if anything."""
    noise: int = 0
    """Which of the sample's seeds the edit has; the first, 0, is the benchmark's."""


@dataclass
class WorkCounts:
    """Numbers and seconds of the work that one list of requests took."""

    edits_made: int = 0
    verdicts_made: int = 0
    edit_seconds: float = 0.0
    """Seconds during which an editor was at work, over the number of edit workers."""
    judge_seconds: float = 0.0
    """Seconds during which the scorer was at work, over the number of its workers."""


class EditPipeline:
    """The editor and the scorer of a config; `load` builds them.

    Args:
        config: Of the training.
        processes: All processes of the training, which have editors and judges of a Ray cluster in common.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    def __init__(self, config: TrainingConfig, processes: Processes = ALONE) -> None:
        if config.diffusion_model is None:
            raise ConfigError("this task edits images: add diffusion_model.class_path (and params)")
        runtime, language = config.training.runtime, config.data.language
        shared = SharedPool(processes.launch, processes.rank, processes.count) if processes.count > 1 else None
        self.editor = EditorPlan(config.diffusion_model, runtime, shared)
        judged = (config.scorer, config.reward_model, config.prompts, language, self.editor.placement)
        self.scoring = ScorerPlan(*judged, has_completions=True)
        self.scoring.scorer.check_categories(config.data.categories or [])
        self.editor.check_weights()
        self.scoring.check_weights()
        self.pixels = PixelBudget(runtime.decoded_megabytes)
        self.editors: list[Editors] = []
        self._record: TrainingRecord | None = None
        self._warned_of_lost = False

    def load(self, record: TrainingRecord) -> None:
        """Builds editors and judge; results go to `record`."""
        self._record = record
        self.editors.extend(self.editor.load_for_stages(self.scoring.judge_actors))
        self.scoring.scorer.load()

    def unload(self) -> None:
        """Frees the accelerator of editors and judge, if they were loaded."""
        for editors in self.editors:
            editors.close()
        self.editors.clear()
        if self.scoring.judge is not None:
            self.scoring.judge.unload()
        if self.editor.placement is not None:
            self.editor.placement.release()

    @property
    def record(self) -> TrainingRecord:
        """The record in which edits and verdicts are kept."""
        assert self._record is not None, "load() must be called before any work"
        return self._record

    def edit(self, requests: Sequence[RewardRequest]) -> list[LazyImage | EditFailure]:
        """The edits alone, one for each request, from where the record keeps them."""
        return _Batch(self, requests, judges=False).edits()

    def edit_and_judge(self, requests: Sequence[RewardRequest]) -> tuple[list[CompletionOutcome], WorkCounts]:
        """Returns one outcome for each request, in order, whatever the order in which the work is finished.

        Raises:
            EditLoopError: when editor or judge can serve nothing at all, or the record cannot be written.
        """
        return _Batch(self, requests, judges=True).outcomes()

    def item(self, request: RewardRequest) -> WorkItem:
        """The edit that a request needs and the verdict that it waits for, with their content keys.

        Requests of one sample share its seed: their rewards differ through the instruction alone.

        Raises:
            ImageError: the source cannot be read.
        """
        data = None if request.source is None else request.source.read_bytes()
        source_key = request.sample.source_key(data)
        drawn_for = request.sample.sample_id + (f" noise {request.noise}" if request.noise else "")
        painted_from = request.conditioning.sha256 if request.conditioning is not None else None
        seed, edit_key = self.editor.keys(drawn_for, source_key, request.instruction, conditioning=painted_from)
        pending = self.scoring.pending_verdict(request.sample, edit_key, request.completion)
        return work_item(
            request.sample,
            edit_key,
            [pending],
            source=request.source,
            instruction=request.instruction,
            seed=seed,
            conditioning=request.conditioning,
            source_size=(0, 0) if data is None else image_size(data),
        )

    def warn_of_lost(self, edit_keys: Sequence[str]) -> None:
        """Says once that verdicts are reused whose pictures are no more; such verdicts stand."""
        if self._warned_of_lost:
            return
        if lost := {key for key in edit_keys if not self.record.edit_path(key).is_file()}:
            self._warned_of_lost = True
            logger.warning(
                "%d edits of this step are missing in %s although their verdicts are recorded: the rewards stand, the "
                "pictures are not made again and pages show none (later steps are not warned of)",
                *(len(lost), self.record.edits_dir),
            )


class _Batch(Observer):
    """The distinct edits of one list of requests, each with its distinct verdicts, on their way through the stages.

    Equal edits are one item, and equal verdicts of an edit are one.
    """

    def __init__(self, pipeline: EditPipeline, requests: Sequence[RewardRequest], *, judges: bool) -> None:
        self._pipeline = pipeline
        self._record = pipeline.record
        self._judges = judges
        self._counts = WorkCounts()
        self._lock = threading.Lock()
        self._verdicts: dict[str, Verdict] = {}
        self._failures: dict[str, EditFailure] = {}
        self._claims = Claims(self._record)
        self._keys: list[tuple[str, str]] = []
        """Edit key and verdict key of each request."""
        self._items: dict[str, WorkItem] = {}
        for request in requests:
            self._take(pipeline.item(request))

    def _take(self, item: WorkItem) -> None:
        first = self._items.setdefault(item.edit_key, item)
        [pending] = item.pending_verdicts
        self._keys.append((item.edit_key, pending.verdict_key))
        if all(pending.verdict_key != other.verdict_key for other in first.pending_verdicts):
            first.pending_verdicts = [*first.pending_verdicts, pending]

    def outcomes(self) -> tuple[list[CompletionOutcome], WorkCounts]:
        """Edits and judges what the record does not hold yet."""
        self._run()
        self._pipeline.warn_of_lost([edit for edit, verdict in self._keys if verdict in self._verdicts])
        return [CompletionOutcome(self._verdict(*keys), *keys) for keys in self._keys], self._counts

    def edits(self) -> list[LazyImage | EditFailure]:
        """Edits what the record does not hold yet."""
        self._run()
        return [self._failures.get(key) or LazyImage(path=self._record.edit_path(key)) for key, _ in self._keys]

    def _verdict(self, edit_key: str, verdict_key: str) -> Verdict:
        if failure := self._failures.get(edit_key):
            return failed_edit(failure.reason)
        return self._verdicts[verdict_key]

    def _run(self) -> None:
        """Does what no other process is doing, then looks what has become of the rest."""
        waiting = [item for item in self._items.values() if self._is_open(item)]
        if not waiting:
            return
        stages = Stages(
            self._record,
            self._pipeline.scoring.scorer,
            self,
            self._pipeline.pixels,
            load_editors=lambda: self._pipeline.editors,
            hold_back=False,
        )
        with self._claims:
            while waiting:
                ours = [item for item in waiting if self._claims.take(item.edit_key)]
                waiting = [item for item in waiting if item not in ours]
                # What another process has just finished and given up is ours and done.
                if to_do := [item for item in ours if self._is_open(item)]:
                    stages.run(partial(self._read, to_do), judges=self._judges)
                elif waiting:
                    time.sleep(POLL)

    def _is_open(self, item: WorkItem) -> bool:
        """Whether anything is left to do, now that the record is asked; what it knows is taken from there."""
        if not self._judges:
            return not self._record.has_edit(item.edit_key)
        known = {one.verdict_key: self._record.verdict(one.verdict_key) for one in item.pending_verdicts}
        self._verdicts |= {key: verdict for key, verdict in known.items() if verdict is not None}
        item.pending_verdicts = [one for one in item.pending_verdicts if known[one.verdict_key] is None]
        return bool(item.pending_verdicts)

    def _read(self, items: Sequence[WorkItem], stopping: threading.Event) -> Iterator[WorkItem]:
        for item in items:
            if stopping.is_set():
                return
            item.to_edit = not self._record.has_edit(item.edit_key)
            if item.to_edit:
                item.decode_within(self._pipeline.pixels)
            yield item

    def edit_tried(self, item: WorkItem, failure: EditFailure | None) -> None:
        """Counts the edit; for one that failed, others need not wait."""
        seconds = item.edit_seconds / sum(editors.at_work for editors in self._pipeline.editors)
        self._count(edits_made=1, edit_seconds=seconds)
        if failure is not None:
            self._failures[item.edit_key] = failure
            self._claims.give_up(item.edit_key)

    def stored(self, item: WorkItem) -> None:
        """Gives up an edit about which nothing is asked."""
        if not self._judges:
            self._claims.give_up(item.edit_key)

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Counts and keeps the verdict; after the last one of an edit, others need not wait."""
        self._count(verdicts_made=1, judge_seconds=seconds / self._pipeline.scoring.scorer.max_concurrency)
        self._verdicts[pending.verdict_key] = verdict
        if all(one.verdict_key in self._verdicts for one in item.pending_verdicts):
            self._claims.give_up(item.edit_key)

    def _count(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self._counts, name, getattr(self._counts, name) + amount)
