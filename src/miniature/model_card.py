"""What the three commands share that measure a miniature model and write its model card."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def card_parser(model: str) -> argparse.ArgumentParser:
    """The command line of the command that measures `assets/miniature/<model>`, without its own options."""
    parser = argparse.ArgumentParser(
        description=f"Measure a miniature {model} on held-out edits; writes its model card."
    )
    parser.add_argument("--model", type=Path, default=Path("assets/miniature", model), help=f"folder of the {model}")
    parser.add_argument("--remark", default="", help="what the recipe does not say of how these weights came about")
    return parser


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
