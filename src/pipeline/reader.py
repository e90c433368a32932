"""The first stage of a run: reads the benchmark, notes each sample, and passes on only what is not done yet."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace

from src.benchmark_config import BenchmarkConfig
from src.data.image import ImageError, LazyImage, OpenedImage, encode_png, shrunk
from src.data.sample import BadSample, EditSample, PassedOver
from src.data.verdict import Status, failed
from src.pipeline.picture_view import PictureView
from src.pipeline.pixels import PixelBudget, decoded_bytes
from src.pipeline.plan import RunPlan
from src.pipeline.tally import Tally
from src.pipeline.work_item import WorkItem
from src.record.record import Record, SampleKeys

logger = logging.getLogger(__name__)


class Reader:
    """Makes work items of the samples of a run.

    Args:
        plan: The run.
        record: What is done already.
        view: Where reused pictures are shown.
        tally: What is counted.
        pixels: The budget of decoded pictures.
        counts: Whether samples are counted and shown; not in the second pass of two, which reads them again.
    """

    def __init__(
        self, plan: RunPlan, record: Record, view: PictureView, tally: Tally, pixels: PixelBudget, *, counts: bool
    ) -> None:
        self._plan = plan
        self._record = record
        self._view = view
        self._tally = tally
        self._pixels = pixels
        self._counts = counts
        self._run_key = plan.run_key
        self._keeps_pictures = plan.config.evaluation.save_generated_images
        self._left_out: set[str] = set()

    def items(
        self, samples: Iterable[EditSample | BadSample | PassedOver], stopping: threading.Event
    ) -> Iterator[WorkItem]:
        """The samples with which there is anything left to do, until they end or `stopping` is set."""
        for sample in samples:
            if stopping.is_set():
                return
            if isinstance(sample, PassedOver):
                continue
            if self._counts:
                self._tally.add(read=1)
            if isinstance(sample, BadSample):
                self._refuse(sample)
            elif (item := self._item(sample)) is not None:
                yield item

    def _refuse(self, bad: BadSample) -> None:
        logger.warning("bad sample %s: %s", bad.sample_id, bad.reason)
        self._record.add_bad_sample(self._run_key, bad)
        if self._counts:
            self._tally.add(bad=1)

    def _pass_over(self, sample: EditSample, keys: SampleKeys, reason: str) -> None:
        """An edit that nobody can judge is not worth its price."""
        if not self._counts:
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

    def _item(self, sample: EditSample) -> WorkItem | None:
        """The work that is left with the sample; None when there is none."""
        try:
            sample, data = within_limit(sample, self._plan.config.benchmark, self._pixels)
            item, keys = self._plan.item(sample, sample.source_key(data))
            if reason := item.pending_verdicts[0].inapplicable:
                self._pass_over(sample, keys, reason)
                return None
            self._say_what_is_left_out(sample)
            left = self._record.work_left(keys, keep_pictures=self._keeps_pictures)
            picture = None if data is None else OpenedImage(data)
            if picture is not None:
                item.source_size = picture.size
            item.to_edit = left.edit
            if left.edit or left.verdict:
                item.further_bytes = self._further_bytes(sample)
            if left.edit:
                item.judged, item.lost = not left.verdict, left.lost if self._keeps_pictures else None
                item.decode_within(self._pixels, picture)
        except ImageError as error:
            self._refuse(BadSample.of(sample, f"source image: {error}"))
            return None
        self._record.add_sample(self._run_key, sample, keys)
        if not left.edit and self._counts:
            self._reuse(item, sample, verdict=not left.verdict)
        return item if left.edit or left.verdict else None

    def _further_bytes(self, sample: EditSample) -> int:
        """Bytes of the further sources when they are decoded, each of which is decoded once to see that it can be.

        Raises:
            ImageError: one of them is no usable picture.
        """
        total = 0
        for place, picture in enumerate(sample.further_sources, 2):
            try:
                opened = OpenedImage(picture.read_bytes())
                amount = decoded_bytes(opened.size)
                with self._pixels.use(amount):
                    opened.decode()
            except ImageError as error:
                raise ImageError(f"number {place} of {1 + len(sample.further_sources)}: {error}") from error
            total += amount
        return total

    def _reuse(self, item: WorkItem, sample: EditSample, *, verdict: bool) -> None:
        self._tally.add(edits_reused=1, verdicts_reused=verdict)
        if self._keeps_pictures:
            self._view.show(self._record.edit_path(item.edit_key), sample.category, sample.sample_id, sample.index)


def within_limit(
    sample: EditSample, benchmark: BenchmarkConfig, pixels: PixelBudget
) -> tuple[EditSample, bytes | None]:
    """The sample as a run takes it, and the bytes of its source, which above `max_source_pixels` is another one.

    A sample of text alone has no bytes.

    Raises:
        ImageError: the source cannot be read, or is larger than the benchmark's settings allow.
    """
    if sample.source is None:
        return sample, None
    data = sample.source.read_bytes()
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
    with pixels.use(2 * decoded_bytes((width, height))):
        data = encode_png(shrunk(picture.decode(), benchmark.max_source_pixels))
    return replace(sample, source=LazyImage.from_bytes(data)), data
