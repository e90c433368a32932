"""Measuring wordings: what the editor makes of them by every instrument, kept so that nothing is measured twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.sampling import edit_pictures
from src.miniature.learning.instruments import Instrument
from src.miniature.learning.wishes import Wish
from src.miniature.model_folder import written_whole
from src.miniature.policy.evaluate_policy import instruction_of, write_rewrites

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

Scores = dict[str, list[float | None]]
"""Of each instrument the score of each wish, 0–10; None where it has no verdict."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """What the editor made of one wording of each wish of a set.

    Attributes:
        texts: What was written: instructions, or a policy's completions.
        scores: By each instrument. A completion that cannot be read has 0, as a policy's own fault has in training.
    """

    texts: list[str]
    scores: Scores


def completions(policy: Path, wishes: Sequence[Wish]) -> list[str]:
    """The likeliest rewrite of each wish by the policy in a folder, in English."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, processor = AutoModelForImageTextToText.from_pretrained(policy), AutoProcessor.from_pretrained(policy)
    written = write_rewrites(model, processor, [wish.edit for wish in wishes], languages=("en",))
    return [texts[0] for texts in written]


class Measurements:
    """A folder of measurements, one JSON file and one file of pictures for each set of wishes and each wording.

    Args:
        folder: The folder.
        editor: Folder of the editor's pipeline, loaded when it is first needed.
        instruments: By name.
    """

    def __init__(self, folder: Path, editor: Path, instruments: Mapping[str, Instrument]) -> None:
        self.folder, self.editor, self.instruments = folder, editor, instruments
        self._pipeline: QwenImageEditPipeline | None = None

    def of_words(self, name: str, wishes: Sequence[Wish], texts: Sequence[str]) -> Measured:
        """Measures instructions, one a wish.

        Args:
            name: Of the measurement, as a path without ending.
            wishes: The wishes.
            texts: What the editor is told.
        """
        return self._measured(name, wishes, list(texts), list(texts))

    def of_policy(self, name: str, wishes: Sequence[Wish], policy: Path) -> Measured:
        """Measures the rewrites of a policy; they are written once."""
        stored = self.folder / f"{name}.json"
        if stored.exists():
            texts = json.loads(stored.read_text(encoding="utf-8"))["texts"]
        else:
            texts = completions(policy, wishes)
        return self._measured(name, wishes, texts, [instruction_of(text) for text in texts])

    def _measured(self, name: str, wishes: Sequence[Wish], texts: list[str], told: Sequence[str | None]) -> Measured:
        path, pictures_path = self.folder / f"{name}.json", self.folder / f"{name}.npy"
        known: dict[str, list[float | None]] = {}
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))["scores"]
        missing = [one for one in self.instruments.values() if one.key not in known]
        if missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            pictures = self._pictures(pictures_path, wishes, told)
            for instrument in missing:
                found = instrument.scores([wish.sample for wish in wishes], list(pictures))
                known[instrument.key] = [
                    0.0 if text is None else score for text, score in zip(told, found, strict=True)
                ]
            with written_whole(path) as partial:
                partial.write_text(json.dumps({"texts": texts, "scores": known}, ensure_ascii=False), encoding="utf-8")
            logger.info("measured %s", name)
        return Measured(texts, {name: known[one.key] for name, one in self.instruments.items()})

    def _pictures(self, path: Path, wishes: Sequence[Wish], told: Sequence[str | None]) -> np.ndarray:
        """The edits, uint8 (n, 64, 64, 3); the same place of a set has the same noise, whatever is told."""
        if path.exists():
            stored: np.ndarray = np.load(path)
            return stored
        if self._pipeline is None:
            from diffusers import QwenImageEditPipeline

            self._pipeline = QwenImageEditPipeline.from_pretrained(self.editor)
        sources = [wish.edit.source for wish in wishes]
        pictures = edit_pictures(self._pipeline, sources, [text or " " for text in told])
        with written_whole(path) as partial, partial.open("wb") as file:
            np.save(file, pictures)
        return pictures
