"""`ShownGroup`: a prompt of a step that is shown, with the pictures and rewards of its completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from src.data.verdict import Verdict
from src.training.storage.record import CompletionRow, TrainingRecord
from src.training.tasks.example import Example


@dataclass(frozen=True)
class ShownCompletion:
    """One completion of a shown step."""

    row: CompletionRow
    edit: Path | None
    """File of the edit; None where there is none."""
    verdict: Verdict | None
    """What the judge said of the edit; None where there is no final verdict."""


@dataclass(frozen=True)
class ShownGroup:
    """One prompt of a shown step, with its completions."""

    example_id: str
    category: str
    request: str
    images: tuple[Path, ...]
    """Files of the pictures that the policy saw, in this order; encoded as in the data."""
    completions: tuple[ShownCompletion, ...]


def shown_groups(
    rows: Sequence[CompletionRow], examples: Mapping[str, Example], record: TrainingRecord
) -> Iterator[ShownGroup]:
    """Groups the rows of one step by their prompts."""
    for name, neighbours in groupby(rows, key=lambda row: row.example_id):
        example = examples[name]
        yield ShownGroup(
            example_id=name,
            category=example.category,
            request=example.request,
            images=tuple(image.path for image in example.images if image.path),
            completions=tuple(_shown(row, record) for row in neighbours),
        )


def _shown(row: CompletionRow, record: TrainingRecord) -> ShownCompletion:
    has_edit = row.edit_key is not None and record.has_edit(row.edit_key)
    return ShownCompletion(
        row=row,
        edit=record.edit_path(row.edit_key) if has_edit and row.edit_key else None,
        verdict=record.verdict(row.verdict_key) if row.verdict_key else None,
    )
