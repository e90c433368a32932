"""What the three commands share that measure a miniature model and write its model card."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from src.errors import ConfigError
from src.miniature.model_folder import require_model, written_whole

logger = logging.getLogger(__name__)


TEXTS = ("remark", "limits")
"""What a card says that only people know: options of its command, kept beside the weights in `<name>.md`."""


def card_parser(model: str) -> argparse.ArgumentParser:
    """The command line of the command that measures `assets/miniature/<model>`, without its own options."""
    parser = argparse.ArgumentParser(
        description=f"Measure a miniature {model} on held-out edits; writes its model card."
    )
    parser.add_argument("--model", type=Path, default=Path("assets/miniature", model), help=f"folder of the {model}")
    told = "what the recipe does not say of how these weights came about (kept in remark.md; default: what that holds)"
    parser.add_argument("--remark", help=told)
    return parser


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Adds the option for what the tables show that a user must know, kept likewise."""
    parser.add_argument("--limits", help="what the tables show that a user must know (kept in limits.md likewise)")


def card_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parses the command line of a command that writes a card.

    Of the `TEXTS` those that are given are kept beside the weights, and those that are not are what is kept there: the
    command that a card names writes the same card again. A training replaces the folder without them, because they
    speak of the weights of before. A folder without a model is a mistake of the command line.
    """
    chosen = parser.parse_args()
    for option in ("model", "editor", "diffusion"):
        if folder := getattr(chosen, option, None):
            try:
                require_model(folder, f"--{option}")
            except ConfigError as error:
                parser.error(str(error))
    for name in TEXTS:
        if name in chosen:
            setattr(chosen, name, _kept_text(chosen.model / f"{name}.md", getattr(chosen, name)))
    return chosen


def _kept_text(file: Path, given: str | None) -> str:
    if given is not None:
        with written_whole(file) as partial:
            partial.write_text(given.strip() + "\n", encoding="utf-8")
    told = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    return told.replace("\n", "\n  ")  # the lines of an item of a list


def training_facts(folder: Path) -> dict[str, Any]:
    """The facts that the training wrote beside the weights in `folder`: its recipe and the steps done."""
    facts: dict[str, Any] = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return facts


def megabytes(folder: Path) -> float:
    """The size of all files below `folder`, in 10⁶ bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def write_card(folder: Path, card: str) -> None:
    """Writes the model card into the folder of the model."""
    (folder / "README.md").write_text(card, encoding="utf-8")
    logger.info("wrote %s", folder / "README.md")
