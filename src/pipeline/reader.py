"""The first stage of a run: reads the benchmark, notes each sample, and sends on only what is not done yet."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from src.data.image import ImageError, LazyImage, OpenedImage, content_hash, encode_png, shrunk
from src.data.sample import BadSample, EditSample
from src.pipeline.editing import Job
from src.pipeline.flow import Channel, Flow
from src.pipeline.picture_view import PictureView
from src.pipeline.pixels import PixelBudget, decoded_bytes
from src.pipeline.plan import RunPlan
from src.pipeline.record import Record, SampleKeys
from src.pipeline.tally import Tally
from src.rewards.verdict import Status, failed

logger = logging.getLogger(__name__)


class Reader:
    """Feeds one pass of a run; without `to_edit` (the second pass of two) nothing is counted twice."""

    def __init__(
        self,
        plan: RunPlan,
        record: Record,
        view: PictureView,
        tally: Tally,
        to_edit: Channel[Job] | None,
        to_judge: Channel[Job] | None,
        pixels: PixelBudget,
    ) -> None:
        self._plan = plan
        self._record = record
        self._view = view
        self._tally = tally
        self._to_edit = to_edit
        self._to_judge = to_judge
        self._pixels = pixels
        self._run_key = plan.run_key
        self._settings = plan.config.evaluation
        self._left_out: set[str] = set()

    def read(self, items: Iterable[EditSample | BadSample], flow: Flow) -> None:
        """Until the items end or the flow stops."""
        for item in items:
            if flow.stopping.is_set():
                return
            if self._to_edit is not None:
                self._tally.add(read=1)
            if isinstance(item, BadSample):
                self._refuse(item)
            else:
                self._dispatch(item)

    def _refuse(self, bad: BadSample) -> None:
        logger.warning("bad sample %s: %s", bad.sample_id, bad.reason)
        self._record.add_bad_sample(self._run_key, bad)
        if self._to_edit is not None:
            self._tally.add(bad=1)

    def _pass_over(self, sample: EditSample, keys: SampleKeys, reason: str) -> None:
        """An edit that nobody can judge is not worth its price."""
        if self._to_edit is None:
            return
        level = logging.INFO if self._tally.inapplicable else logging.WARNING
        logger.log(level, "%s is not applicable and is not edited: %s", sample.sample_id, reason)
        self._tally.add(inapplicable=1)
        self._record.add_sample(self._run_key, sample, keys)
        if not self._record.has_verdict(keys.verdict_key):
            self._record.add_verdict(keys.verdict_key, failed(Status.NOT_APPLICABLE, reason))

    def _say_what_is_left_out(self, sample: EditSample) -> None:
        """Once for all samples alike: a mean without a part of the score is another quantity than with it."""
        for omitted in self._plan.left_out(sample):
            if omitted not in self._left_out:
                self._left_out.add(omitted)
                logger.warning("left out of the score of %s, and of others alike: %s", sample.sample_id, omitted)

    def _dispatch(self, sample: EditSample) -> None:
        try:
            sample, data = self._within_limit(sample, sample.source.read_bytes())
            keys = self._plan.keys(sample, content_hash(data))
            job = Job(sample, keys)
            if keys.inapplicable:
                self._pass_over(sample, keys, keys.inapplicable)
                return
            self._say_what_is_left_out(sample)
            left = self._record.work_left(keys, keep_pictures=self._settings.save_generated_images)
            picture = OpenedImage(data)
            job.source_size = picture.size
            if left.edit:
                job.judged, job.lost = not left.verdict, left.lost
                self._decode(job, picture)
        except ImageError as error:
            self._refuse(BadSample(sample.sample_id, sample.index, sample.category, f"source image: {error}"))
            return
        self._record.add_sample(self._run_key, sample, keys)
        if left.edit:
            if self._to_edit is not None:
                self._to_edit.put(job)
            return
        if self._to_edit is not None:
            self._reuse(job, verdict=not left.verdict)
        if left.verdict and self._to_judge is not None:
            self._to_judge.put(job)

    def _within_limit(self, sample: EditSample, data: bytes) -> tuple[EditSample, bytes]:
        """The sample as the run takes it: a source above `max_source_pixels` is another one from here on."""
        benchmark = self._plan.config.benchmark
        if benchmark.max_source_pixels is None:
            return sample, data
        picture = OpenedImage(data)
        width, height = picture.size
        if width * height <= benchmark.max_source_pixels:
            return sample, data
        if benchmark.larger_sources == "refuse":
            raise ImageError(
                f"{width}×{height} pixels, above benchmark.max_source_pixels: {benchmark.max_source_pixels:,} "
                "(larger_sources: scale would shrink it)"
            )
        with self._pixels.use(2 * decoded_bytes((width, height))):
            data = encode_png(shrunk(picture.decode(), benchmark.max_source_pixels))
        return replace(sample, source=LazyImage.from_bytes(data)), data

    def _decode(self, job: Job, picture: OpenedImage) -> None:
        with self._pixels.use(decoded_bytes(picture.size)):
            job.source = picture.decode()
            job.source_size = job.source.size
            job.rest(self._pixels)

    def _reuse(self, job: Job, *, verdict: bool) -> None:
        self._tally.add(edits_reused=1, verdicts_reused=verdict)
        if self._settings.save_generated_images:
            self._view.show(self._record.edit_path(job.keys.edit_key), job.sample.category, job.sample.sample_id)
