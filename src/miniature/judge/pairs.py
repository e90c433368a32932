"""The training set of the miniature judge: pictures, texts, and questions about both with the oracle's scores.

A row of it is a question: whose words, which picture before, which picture after.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src.miniature.model_folder import written_whole
from src.miniature.world.edits import DIFFICULTIES
from src.models.reward.reference_formula import compare_with_reference

WORDS = tuple(f"{name}_{language}" for language in ("en", "zh") for name in (*DIFFICULTIES, "description", "rationale"))
"""The texts kept of every edit, in the order of `JudgePairs.words`: a wording for each difficulty comes first."""
EDITOR_KINDS = ("editor", "misled editor")
"""Kinds of candidates that the editor made."""
WRONG_QUESTIONS = ("swapped", "wrong source", "shuffled")
"""Kinds of rows whose words and pictures do not belong together as they stand: their score is 0 by definition."""


@dataclass(frozen=True)
class JudgePairs:
    """Pictures, texts of `n` edits, and `m` rows of both with scores.

    Attributes:
        pictures: uint8 (p, 64, 64, 3).
        words: For each edit its `WORDS`.
        rules: For each edit its category, setting, family, and the difficulty of the wording that evaluations ask.
        sources: For each edit its source, as an index of `pictures`: int32 (n,). All edits of a picture share it.
        targets: For each edit its exact result, likewise.
        rows: int32 (m, 3): the edit whose words are asked about, the picture before, the picture after.
        scores: float32 (m,): the oracle's, 0–10.
        kinds: For each row the kind of its candidate.
    """

    pictures: np.ndarray
    words: list[list[str]]
    rules: list[list[str]]
    sources: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    kinds: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def text(self, edit: int, name: str, language: str) -> str:
        """One of the `WORDS` of an edit; `name` is a difficulty, "description" or "rationale"."""
        return self.words[edit][WORDS.index(f"{name}_{language}")]

    def oracle(self, edit: int, after: np.ndarray) -> float:
        """The score of a picture as the result of an edit."""
        source, target = self.pictures[self.sources[edit]], self.pictures[self.targets[edit]]
        return compare_with_reference(source, after, target).score


def joined(parts: Sequence[JudgePairs]) -> JudgePairs:
    """Several sets of pairs as one."""
    edits, pictures = (
        np.cumsum([0, *sizes])[:-1]
        for sizes in ([len(part.words) for part in parts], [len(part.pictures) for part in parts])
    )
    return JudgePairs(
        pictures=np.concatenate([part.pictures for part in parts]),
        words=list(itertools.chain.from_iterable(part.words for part in parts)),
        rules=list(itertools.chain.from_iterable(part.rules for part in parts)),
        sources=np.concatenate([part.sources + offset for part, offset in zip(parts, pictures, strict=True)]),
        targets=np.concatenate([part.targets + offset for part, offset in zip(parts, pictures, strict=True)]),
        rows=np.concatenate(
            [part.rows + np.array(first) for part, *first in zip(parts, edits, pictures, pictures, strict=True)]
        ),
        scores=np.concatenate([part.scores for part in parts]),
        kinds=np.concatenate([part.kinds for part in parts]),
    )


def keep(path: Path, pairs: JudgePairs) -> None:
    """Writes pairs into a file, which appears only when it is complete."""
    texts = json.dumps({"words": pairs.words, "rules": pairs.rules}, ensure_ascii=False)
    arrays = {name: getattr(pairs, name) for name in ("pictures", "sources", "targets", "rows", "scores", "kinds")}
    with written_whole(path) as partial:
        np.savez(partial, texts=np.array(texts), **arrays)


def load(path: Path) -> JudgePairs:
    """Reads what `keep` wrote."""
    with np.load(path) as stored:
        arrays = dict(stored)
    return JudgePairs(**json.loads(str(arrays.pop("texts"))), **arrays)
