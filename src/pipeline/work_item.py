"""`WorkItem`: what passes through the stages — an edit that is made or found, and the verdicts that wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from src.data.sample import EditSample
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

    @property
    def judging_bytes(self) -> int:
        """Bytes of the decoded source and edit."""
        return decoded_bytes(self.source_size) + decoded_bytes(self.edited_size or self.source_size)

    def source_of(self, pending: PendingVerdict) -> Image.Image:
        """The source that the judge sees: the one that was edited where it is the same, else it is decoded now."""
        if self.source_pixels is not None and pending.sample.source == self.source:
            return self.source_pixels
        return pending.sample.source.decode()
