"""`Page`: chosen steps of a training run as HTML — source, instruction, rewrite, edit, reward, the judge's replies."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from src.training.record import CompletionRow, TrainingRecord
from src.training.tasks.base import Example

logger = logging.getLogger(__name__)

_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Step {{ step }}</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem; max-width: 1200px }
section { border-top: 2px solid #888; margin-top: 1.5rem }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid #ddd; padding: .4rem; text-align: left; vertical-align: top }
img { width: 128px; image-rendering: pixelated }
.reward { font-weight: bold; white-space: nowrap }
.problem { color: #a00 }
pre { white-space: pre-wrap; margin: .2rem 0; color: #555 }
</style>
<h1>Step {{ step }}</h1>
{% for group in groups %}
<section>
<h2>{{ group.example_id }} <small>{{ group.category }}</small></h2>
<p>{% for image in group.images %}<img src="{{ image }}" alt="shown to the policy"> {% endfor %}{{ group.request }}</p>
<table><tr><th>edit</th><th>reward</th><th>reading</th><th>completion and replies</th></tr>
{% for one in group.completions %}
<tr><td>{% if one.edit %}<img src="{{ one.edit }}" alt="edit">{% endif %}</td>
<td class="reward">{{ "%.2f"|format(one.row.reward) if one.row.reward is not none else "masked" }}</td>
<td>{{ one.row.reading or "" }}<span class="problem">{{ one.row.problem or one.row.reason or "" }}</span></td>
<td><details><summary>text</summary><pre>{{ one.row.completion }}</pre></details>
{% for reply in one.replies %}<details><summary>reply</summary><pre>{{ reply }}</pre></details>{% endfor %}</td></tr>
{% endfor %}
</table></section>
{% endfor %}
</html>
"""


@dataclass(frozen=True)
class Page:
    """Writes `step_000010.html` into a folder; pictures are links to the record's files.

    With `tensorboard` set, each group's sources and edits go to the trackers' log folder as well.
    """

    folder: Path
    tensorboard: Path | None = None

    def write(self, rows: Sequence[CompletionRow], examples: Mapping[str, Example], record: TrainingRecord) -> Path:
        """One page of the given rows, which belong to one step."""
        from jinja2 import Environment

        step = rows[0].step
        groups = list(self._groups(rows, examples, record))
        page = Environment(autoescape=True).from_string(_TEMPLATE).render(step=step, groups=groups)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step_{step:06d}.html"
        path.write_text(page, encoding="utf-8")
        if self.tensorboard is not None:
            self._add_images(self.tensorboard, step, groups)
        return path

    def _groups(
        self, rows: Sequence[CompletionRow], examples: Mapping[str, Example], record: TrainingRecord
    ) -> Iterator[dict[str, Any]]:
        for name, neighbours in groupby(rows, key=lambda row: row.example_id):
            example = examples[name]
            yield {
                "example_id": name,
                "category": example.category,
                "request": example.request,
                "images": [self._link(image.path) for image in example.images if image.path],
                "completions": [self._completion(row, record) for row in neighbours],
            }

    def _completion(self, row: CompletionRow, record: TrainingRecord) -> dict[str, Any]:
        verdict = record.verdict(row.verdict_key) if row.verdict_key else None
        has_edit = row.edit_key is not None and record.has_edit(row.edit_key)
        return {
            "row": row,
            "edit": self._link(record.edit_path(row.edit_key)) if has_edit and row.edit_key else None,
            "replies": verdict.replies if verdict else (),
        }

    def _link(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def _add_images(self, log_folder: Path, step: int, groups: Sequence[dict[str, Any]]) -> None:
        """The pictures of a group side by side: what the policy saw, then the edits."""
        import numpy as np
        from PIL import Image
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(log_folder)
        for place, group in enumerate(groups):
            links = [*group["images"], *(one["edit"] for one in group["completions"] if one["edit"])]
            pictures = [Image.open(self.folder / link).convert("RGB") for link in links]
            if pictures:
                resized = [np.asarray(picture.resize(pictures[0].size)) for picture in pictures]
                writer.add_image(f"edits/{place}", np.concatenate(resized, axis=1), step, dataformats="HWC")
                captions = [f"{one['row'].reward}: {one['row'].reading}" for one in group["completions"]]
                writer.add_text(f"edits/{place}", "\n\n".join([group["request"], *captions]), step)
        writer.close()
