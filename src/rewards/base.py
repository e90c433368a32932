"""`Scorer`: turns a sample and its edit into a `Verdict`. Evaluation and training use the very same scorers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from src.data.sample import EditSample
from src.rewards.verdict import Verdict


@dataclass(frozen=True)
class EditedSample:
    """A sample with its pixels: what a scorer looks at."""

    sample: EditSample
    source: Image.Image
    edited: Image.Image


class Scorer(Protocol):
    """Owns prompts, dimensions, parsing and aggregation; calls a judge or none."""

    @property
    def batch_size(self) -> int:
        """How many edits `score` wants at once."""

    @property
    def max_concurrency(self) -> int:
        """How many calls of `score` may run at the same time."""

    def identity(self) -> dict[str, Any]:
        """What decides its verdicts, judge included; JSON-able and known before anything is loaded."""

    def question(self, sample: EditSample) -> Any:
        """What it asks about this sample (rendered prompts, reference): part of the verdict's key. JSON-able."""

    def load(self) -> None:
        """Loads the judge, if there is one. Called once, before the first `score`."""

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order. Never raises for a single edit: its verdict says what failed."""
