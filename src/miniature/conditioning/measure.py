"""Measures text encoders that write: `python -m src.miniature.conditioning.measure TAUGHT [TRAINED]`.

Wishes on new pictures, in English, of the sets of `src.miniature.learning.wishes`. Each encoder paints from its own
likeliest completion, from none (the user's words), and from the exact words as its completion; the shipped editor
paints from the user's words and from the exact words through the stock path. All by the oracle and by the judge, every
row with its paired difference from the stock path with the user's words and from what the taught encoder wrote.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src.errors import ModelError
from src.miniature.conditioning.painting import paint_completions
from src.miniature.learning.instruments import Instrument, Judges, instruments
from src.miniature.learning.wishes import SETS, Wish, measured_wishes
from src.miniature.trainer import start_command
from src.models.diffusion.conditioning import system_text
from src.models.diffusion.thinking import ThinkingEncoder, ThinkSettings
from src.models.vlm.question import LabelledImage, Question
from src.reporting.paired import paired_difference

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline

STOCK = "the user's words, stock path"
TAUGHT, TRAINED = "the taught encoder", "after GRPO"
OWN = "{}: its own completion"
MAX_NEW_TOKENS = 48

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Painted:
    """What became of each wish in one way.

    Attributes:
        title: For the table.
        pictures: uint8 (wishes, 64, 64, 3).
        texts: What was written or told, one for each wish.
    """

    title: str
    pictures: np.ndarray
    texts: list[str]


def written(
    pipeline: QwenImageEditPipeline, folder: Path, wishes: Sequence[Wish]
) -> tuple[ThinkingEncoder, list[tuple[int, ...]]]:
    """The encoder in a folder, and the tokens of its likeliest completion of each wish.

    Raises:
        ModelError: the folder holds no text encoder of this editor, or nothing was written for a wish.
    """
    settings = ThinkSettings(policy=str(folder), max_new_tokens=MAX_NEW_TOKENS, batch_size=16)
    thinking = ThinkingEncoder(settings, pipeline, "cpu", "float32")
    system = system_text(pipeline.prompt_template_encode)
    replies = thinking.ask(
        [
            Question(system, (LabelledImage("", Image.fromarray(wish.edit.source)),), wish.edit.instruction_en)
            for wish in wishes
        ]
    )
    for wish, reply in zip(wishes, replies, strict=True):
        if reply.error is not None:
            raise ModelError(f"{folder} wrote nothing for {wish.edit.instruction_en!r}: {reply.error}")
    return thinking, [reply.tokens for reply in replies]


def painted(pipeline: QwenImageEditPipeline, encoders: dict[str, Path], wishes: Sequence[Wish]) -> list[Painted]:
    """All ways of painting the wishes; the first one is `STOCK`.

    Args:
        pipeline: The shipped editor.
        encoders: Folders by the names that the table gives them.
        wishes: What is to be painted.
    """
    sources = [wish.edit.source for wish in wishes]
    own, exact = ([getattr(wish.edit, name) for wish in wishes] for name in ("instruction_en", "explicit_en"))
    nothing: list[tuple[int, ...]] = [()] * len(wishes)
    exact_ids = [tuple(pipeline.tokenizer(text)["input_ids"]) for text in exact]

    def paint(title: str, encoder: object, told: list[str], ids: Sequence[Sequence[int]]) -> Painted:
        logger.info("painting: %s", title)
        texts = [f"{words} → {pipeline.tokenizer.decode(one)}" for words, one in zip(told, ids, strict=True)]
        return Painted(title, paint_completions(pipeline, encoder, sources, told, ids), texts)

    shipped = pipeline.text_encoder
    found = [
        paint(STOCK, shipped, own, nothing),
        paint("the exact words, stock path", shipped, exact, nothing),
        paint("the shipped encoder: the exact words as completion", shipped, own, exact_ids),
    ]
    for name, folder in encoders.items():
        thinking, ids = written(pipeline, folder, wishes)
        found += [
            paint(f"{name}: no completion", thinking.model, own, nothing),
            paint(f"{name}: the exact words as completion", thinking.model, own, exact_ids),
            paint(OWN.format(name), thinking.model, own, ids),
        ]
    return found


def table(ways: Sequence[Painted], wishes: Sequence[Wish], known: dict[str, Instrument]) -> list[dict[str, object]]:
    """One row for each way of painting and instrument: mean, and paired differences with their 95 % intervals.

    Differences are from the first way and from the taught encoder's own completions. Wishes of one picture are one
    cluster.
    """
    samples = [wish.sample for wish in wishes]
    keys = [wish.edit.source.tobytes() for wish in wishes]
    before = [way.title for way in ways].index(OWN.format(TAUGHT))
    rows: list[dict[str, object]] = []
    for name, instrument in known.items():
        scores = [instrument.scores(samples, list(way.pictures)) for way in ways]
        for way, score in zip(ways, scores, strict=True):
            found = paired_difference(scores[0], score, keys, bootstrap=False)
            gain = paired_difference(scores[before], score, keys, bootstrap=False)
            row = {"instrument": name, "way": way.title, "wishes": found.pairs, "mean": found.mean_second}
            row |= {"difference": found.difference, "ci95": found.ci95}
            rows.append(row | {"from_taught": gain.difference, "from_taught_ci95": gain.ci95})
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("taught", type=Path, help="folder of the taught text encoder")
    parser.add_argument("trained", type=Path, nargs="?", help="folder of the same encoder after GRPO")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="folder of the editor")
    parser.add_argument("--set", choices=tuple(SETS), default="new_pictures", help="which wishes")
    parser.add_argument("--per-category", type=int, default=40, help="wishes of each category")
    parser.add_argument("--out", type=Path, default=Path("outputs/miniature_conditioning/measured"))
    chosen = parser.parse_args(arguments)
    from diffusers import QwenImageEditPipeline

    start_command()
    wishes = measured_wishes(chosen.set, chosen.out / "wishes", chosen.per_category)
    encoders = {TAUGHT: chosen.taught} | ({TRAINED: chosen.trained} if chosen.trained else {})
    ways = painted(QwenImageEditPipeline.from_pretrained(chosen.editor), encoders, wishes)
    rows = table(ways, wishes, instruments(Judges()))
    texts = {way.title: way.texts for way in ways}
    (chosen.out / "measured.json").write_text(
        json.dumps({"set": chosen.set, "rows": rows, "texts": texts}, ensure_ascii=False, indent=1), encoding="utf-8"
    )
    for row in rows:
        logger.info("%s", json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
