"""`StepPageWriter`: chosen steps of a training as HTML, from the source to the judge's replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.categories import category_label
from src.data.image import LazyImage
from src.reporting.page.judgement import judgement
from src.reporting.page.model import Card, Outcome, Page, Word
from src.reporting.page.pictures import PagePictures
from src.reporting.page.render import render_page
from src.reporting.report import repeats_and_prompts
from src.training.storage.record import CompletionRow, TrainingRecord
from src.training.tasks.example import Example
from src.training.tracking.groups import ShownCompletion, ShownGroup, shown_groups
from src.training.tracking.trackers import Tracker


@dataclass(frozen=True)
class StepPageWriter:
    """Writes `step_000010.html` into a folder, whose pictures are links to the files of the run, and tells trackers."""

    folder: Path
    trackers: Sequence[Tracker] = ()

    def write(self, rows: Sequence[CompletionRow], examples: Mapping[str, Example], record: TrainingRecord) -> Path:
        """Writes one page of the given rows, which belong to one step, and returns its path."""
        step = rows[0].step
        groups = list(shown_groups(rows, examples, record))
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step_{step:06d}.html"
        path.write_text(render_page(self._page(step, groups)), encoding="utf-8", errors="backslashreplace")
        for tracker in self.trackers:
            tracker.add(step, groups)
        return path

    def _page(self, step: int, groups: Sequence[ShownGroup]) -> Page:
        pictures = PagePictures(self.folder, sum(len(group.images) + len(group.completions) for group in groups))
        cards = [_card(group, pictures) for group in groups]
        return Page(Word("training_step"), subtitle=f"Step {step}", cards=cards)


def _card(group: ShownGroup, pictures: PagePictures) -> Card:
    return Card(
        id=group.example_id,
        category=group.category,
        category_label=category_label(group.category),
        instruction={"en": group.request},
        inputs=[pictures.of(Word("input"), LazyImage(path=image)) for image in group.images],
        outcomes=[_outcome(number, one, pictures) for number, one in enumerate(group.completions, 1)],
    )


def _outcome(number: int, one: ShownCompletion, pictures: PagePictures) -> Outcome:
    row = one.row
    return Outcome(
        name=str(number),
        picture=pictures.of(f"{number}", LazyImage(path=one.edit)) if one.edit else None,
        status="masked" if row.reward is None else "scored",
        score=row.reward,
        reason=row.problem or row.reason or "",
        text=row.completion,
        reading=row.reading or "",
        **(judgement({"replies": one.verdict.replies, **repeats_and_prompts(one.verdict)}) if one.verdict else {}),
    )
