"""`WorkItem`: what passes through the stages — an edit that is made or found, and the verdicts that wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from src.data.image import LazyImage
from src.data.sample import EditSample
from src.models.diffusion.edit_input import EditInput
from src.pipeline.editing import PendingEdit
from src.pipeline.pixels import decoded_bytes


@dataclass(frozen=True)
class PendingVerdict:
    """One question to the scorer about one edit."""

    sample: EditSample
    """The sample as the judge sees it: with the user's own instruction and source."""
    verdict_key: str
    """The content key under which its verdict is stored."""
    question: Any = None
    """What the scorer asks about the sample (`Scorer.question`); None where `inapplicable` says why it cannot."""
    inapplicable: str | None = None
    """Why the scorer can judge no edit of this sample, if so."""
    completion: str | None = None
    """The whole text of a policy that demanded the edit, if there is one."""


@dataclass(eq=False, kw_only=True)
class WorkItem(PendingEdit):
    """An edit with its content key and what is to be asked about it."""

    edit_key: str
    pending_verdicts: Sequence[PendingVerdict] = ()
    in_one_call: bool = False
    """Whether the scorer is asked for all its verdicts in one call, as repetitions of one question must be."""
    to_edit: bool = True
    """False where the edit is in the record, or in `edited_pixels`."""
    lost: str | None = None
    """SHA-256 of the picture that the edit once had, where a lost picture is made again."""
    judged: bool = False
    """Whether the verdicts are known, and stand unless the lost picture comes out differently."""

    change_noted: bool = False
    """Whether the record knows how far the edit differs from the source."""

    @property
    def judging_bytes(self) -> int:
        """Bytes of the decoded sources and edit."""
        edited = decoded_bytes(self.edited_size or self.source_size)
        return decoded_bytes(self.source_size) + self.further_bytes + edited

    def source_of(self, pending: PendingVerdict) -> Image.Image | None:
        """The source that the judge sees: the one that was edited where it is the same, else it is decoded now."""
        if pending.sample.source is None:
            return None
        if self.source_pixels is not None and pending.sample.source == self.source:
            return self.source_pixels
        return pending.sample.source.decode()


def work_item(
    sample: EditSample,
    edit_key: str,
    pending_verdicts: Sequence[PendingVerdict],
    *,
    source: LazyImage | None = None,
    instruction: str | None = None,
    seed: int = 0,
    conditioning: EditInput | None = None,
    source_size: tuple[int, int] = (0, 0),
    pictures: tuple[Image.Image | None, Image.Image] | None = None,
    in_one_call: bool = False,
) -> WorkItem:
    """Makes the work with an edit of a sample.

    Args:
        sample: Whose edit it is.
        edit_key: The edit's content key.
        pending_verdicts: What is to be asked about the edit.
        source: The picture that is edited; None for the sample's own.
        instruction: What the editor is told; None for the sample's own words.
        seed: The seed of the edit.
        conditioning: What the editor is given in the place of the instruction, if anything.
        source_size: Width and height of the source in pixels, where they are known.
        pictures: Source and edit, of an edit that is only judged; None for one that is to be made.
        in_one_call: See `WorkItem`.
    """
    item = WorkItem(
        source=source or sample.source,
        instruction=sample.instruction if instruction is None else instruction,
        sample_id=sample.sample_id,
        seed=seed,
        further_sources=sample.further_sources,
        conditioning=conditioning,
        source_size=source_size,
        edit_key=edit_key,
        pending_verdicts=pending_verdicts,
        in_one_call=in_one_call,
        to_edit=pictures is None,
    )
    if pictures is not None:
        item.source_pixels, item.edited_pixels = pictures
        item.edited_size = item.edited_pixels.size
        if item.source_pixels is not None:
            item.source_size = item.source_pixels.size
    return item
