"""What may differ between two runs that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Difference(StrEnum):
    """What may differ between two runs, by the name under which `--allow` lets it pass."""

    SAMPLES = "samples"
    """Ids, source pictures, instructions, descriptions, categories or difficulties."""
    REFERENCES = "references"
    """What the benchmark says of the right edit: reference picture, rationale or knowledge graph."""
    JUDGE = "judge"
    """Class, version, params, weights or resolved model of the scorer and its judge."""
    RUBRIC = "rubric"
    """Prompts, shipped or in the config."""
    IMAGES = "images"
    """How the pictures are scaled and encoded for the judge."""


@dataclass(frozen=True)
class Mismatch:
    """One way in which two runs differ."""

    kind: Difference
    text: str
    """What differs, as a sentence without its full stop."""
