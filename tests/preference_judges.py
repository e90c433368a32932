"""Judges of known noise, and preferences between pictures that show how good they are: for tests of `judge-bench`."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from src.data.sample import EditSample
from src.data.verdict import Status, Verdict
from src.models.base import ModelParams
from src.models.reward.base_reward import BaseRewardModel
from src.rewards.core.scorer import EditedSample, Scorer, reference_key

LOW, HIGH = 4.5, 5.5
"""How good the worse and the better edit of a pair is."""


class NoisyJudge(BaseRewardModel):
    """Sees how good an edit is (its blue channel ÷ 20), plus normal noise that follows from the picture.

    `sigma` is the standard deviation of the noise, `step` what scores are rounded to (0: not at all), `fails_below` a
    number of an edit up to which it fails. `asked` counts its answers.
    """

    needs_prompts = False
    asked = 0

    class Params(ModelParams):
        sigma: float = 1.0
        step: float = 0.0
        seed: int = 0
        fails_below: int = 0

    def _initialize(self) -> None: ...

    def score(self, edited_image: Image.Image, *texts: str, **images: Any) -> float:
        type(self).asked += 1
        red, green, blue = edited_image.getpixel((0, 0))  # type: ignore[misc]
        if red + 256 * green < self.params.fails_below:
            raise RuntimeError("this edit is too much for me")
        digest = hashlib.sha256(f"{self.params.seed}".encode() + edited_image.tobytes()).digest()
        share = (int.from_bytes(digest[:7]) + 0.5) / 256**7
        value = blue / 20 + self.params.sigma * statistics.NormalDist().inv_cdf(share)
        step = self.params.step
        return min(10.0, max(0.0, round(value / step) * step if step else value))


def edit(number: int, quality: float) -> bytes:
    """An edit that no other has, of this quality."""
    return png((number % 256, number // 256, round(20 * quality)))


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, format="PNG")
    return buffer.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pair(
    number: int, winner: str = "a", qualities: tuple[float, float] = (HIGH, LOW), **changes: Any
) -> dict[str, Any]:
    """A row of preferences: two edits of a source of its own."""
    first, second = (edit(2 * number + place, quality) for place, quality in enumerate(qualities))
    row = {
        "id": f"pair {number}",
        "category": "colour",
        "edit_instruction_en": "make it better",
        "src_img_b64": text(png((number % 256, number // 256, 7))),
        "a_img_b64": text(first),
        "b_img_b64": text(second),
        "winner": winner,
    }
    return row | changes


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class PairwiseScorer(Scorer):
    """Compares the edit with the other one of its pair, by their blue channels; prefers the first place by `bias`."""

    compares_edits = True

    class Params(ModelParams):
        bias: float = 0.0

    def question(self, sample: EditSample) -> Any:
        return [sample.instruction, reference_key(sample)]

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        return [Verdict(Status.SCORED, self._score(edit)) for edit in batch]

    def _score(self, edit: EditedSample) -> float:
        assert edit.sample.reference is not None
        first, second = (image.getpixel((0, 0))[2] for image in (edit.edited, edit.sample.reference.decode()))
        return min(10.0, max(0.0, 5.0 + (first - second) / 20 + self.params.bias))
