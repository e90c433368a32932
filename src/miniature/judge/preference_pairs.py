"""Preference pairs of the miniature world: `python -m src.miniature.judge.preference_pairs`.

Two edits of one picture by one instruction, made-up candidates and outputs of the miniature editor alike, in the order
of the oracle's scores. They are taken from the training set of the miniature judge (`drawing.py`), so what the world
draws, and which families are kept out of training, is decided there.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from src.data.image import content_hash, encode_png
from src.miniature.judge.drawing import JUDGE_SEEDS, PairSettings, load_or_draw_judge_pairs
from src.miniature.judge.pairs import JudgePairs
from src.miniature.model_folder import written_whole
from src.miniature.trainer import start_command
from src.miniature.world.benchmark import HELD_OUT_SEEDS

LEAST_GAP = 1.0
"""The least difference of two edits in the oracle's scores (0–10): below it the better one is hard to name."""
PAIRS_OF_EDIT = 4
"""The most pairs of one edit, drawn from all that differ enough."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Candidate:
    """An edit of a source by its own words."""

    picture: int
    score: float


def preference_rows(
    pairs: JudgePairs, images: Path, name: str, passed_over: Collection[bytes] = (), seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Rows of a file of preference pairs (docs/train_judge.md); which edit is A is drawn.

    Args:
        pairs: Scored candidates of edits.
        images: Folder for the pictures, whose parent is that of the file.
        name: Prefix of the ids.
        passed_over: Pixels of sources of which no pair is wanted, as held-out pairs have them: two seeds can draw the
            same picture.
        seed: Decides which pairs are taken, and which edit of them is A.
    """
    rng = np.random.default_rng(seed)
    images.mkdir(parents=True, exist_ok=True)
    for edit in range(len(pairs.words)):
        if pairs.pictures[pairs.sources[edit]].tobytes() in passed_over:
            continue
        found = _candidates(pairs, edit)
        every = [(one, two) for one in found for two in found if one.score - two.score >= LEAST_GAP]
        chosen = rng.permutation(len(every))[:PAIRS_OF_EDIT]
        for place in sorted(chosen.tolist()):
            better, worse = every[place]
            first, second = (better, worse) if rng.random() < 0.5 else (worse, better)
            yield {
                "id": f"{name}-{edit}-{place}",
                "subset": pairs.rules[edit][0],
                **_words(pairs, edit),
                "src_img": _stored(pairs.pictures[pairs.sources[edit]], images),
                "a_img": _stored(pairs.pictures[first.picture], images),
                "b_img": _stored(pairs.pictures[second.picture], images),
                "winner": "a" if first is better else "b",
                "margin": round(better.score - worse.score, 4),
            }


def _candidates(pairs: JudgePairs, edit: int) -> list[_Candidate]:
    """The pictures of rows that ask about an edit's own words and source; the unedited source is one of them."""
    own = (pairs.rows[:, 0] == edit) & (pairs.rows[:, 1] == pairs.sources[edit])
    return [_Candidate(int(pairs.rows[row, 2]), float(pairs.scores[row])) for row in np.flatnonzero(own)]


def _words(pairs: JudgePairs, edit: int) -> dict[str, str]:
    difficulty = pairs.rules[edit][3]
    return {
        "edit_instruction_en": pairs.text(edit, difficulty, "en"),
        "edit_instruction": pairs.text(edit, difficulty, "zh"),
        "rationale_short_en": pairs.text(edit, "rationale", "en"),
        "rationale_short": pairs.text(edit, "rationale", "zh"),
    }


def _stored(pixels: np.ndarray, images: Path) -> str:
    """Writes a picture once, and returns its path from the folder of the file."""
    data = encode_png(Image.fromarray(pixels))
    path = images / f"{content_hash(data)[:24]}.png"
    if not path.exists():
        path.write_bytes(data)
    return f"{images.name}/{path.name}"


def write_preference_pairs(work: Path, chunks: int, held_out_chunks: int, editors: tuple[Path, ...]) -> list[Path]:
    """Writes `train.jsonl` and `held_out.jsonl` into a work folder, which keeps the drawn candidates as well.

    Args:
        work: The folder.
        chunks: Training pictures, in twenties; each has about five edits. 0 writes no `train.jsonl`. The held-out pairs
            do not depend on it.
        held_out_chunks: Held-out pictures, likewise, of seeds that nothing is trained on; 0 writes none.
        editors: Folders of the miniature editor and of earlier states of it; none does without their outputs.
    """
    parts = (("held_out", HELD_OUT_SEEDS, held_out_chunks), ("train", JUDGE_SEEDS, chunks))
    held_out_sources: set[bytes] = set()
    written = []
    for name, seeds, count in parts:
        if count == 0:
            continue
        settings = PairSettings(seeds, candidates=5, outputs=100, editors=editors)
        pairs = load_or_draw_judge_pairs(work / f"{name}_candidates", settings, count)
        path = work / f"{name}.jsonl"
        with written_whole(path) as partial, partial.open("w", encoding="utf-8") as file:
            total = 0
            for row in preference_rows(pairs, work / f"{name}_images", name, held_out_sources):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                total += 1
        logger.info("%s: %d pairs of %d edits", path, total, len(pairs.words))
        held_out_sources |= {pairs.pictures[source].tobytes() for source in pairs.sources}
        written.append(path)
    return written


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write preference pairs of the miniature world, by its oracle.")
    parser.add_argument("--work", type=Path, default=Path("runs/miniature_preferences"), help="folder for everything")
    parser.add_argument(
        "--editor",
        type=Path,
        nargs="+",
        default=[Path("assets/miniature/editor")],
        help="whose outputs are paired: the editor, and earlier states of it",
    )
    parser.add_argument(
        "--chunks", type=int, default=12, help="training pictures, in twenties (five edits each); 0: none"
    )
    parser.add_argument("--held-out-chunks", type=int, default=2, help="held-out pictures, likewise")
    chosen = parser.parse_args()
    start_command()
    write_preference_pairs(chosen.work, chosen.chunks, chosen.held_out_chunks, tuple(chosen.editor))


if __name__ == "__main__":
    main()
