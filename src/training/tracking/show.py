"""`StepPageWriter`: chosen steps of a training as HTML, from the source to the judge's replies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.training.record import CompletionRow, TrainingRecord
from src.training.tasks.example import Example
from src.training.tracking.groups import shown_groups
from src.training.tracking.trackers import Tracker

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
<p>{% for image in group.images %}<img src="{{ image|link }}" alt="shown to the policy"> {% endfor %}
{{ group.request }}</p>
<table><tr><th>edit</th><th>reward</th><th>reading</th><th>completion and replies</th></tr>
{% for one in group.completions %}
<tr><td>{% if one.edit %}<img src="{{ one.edit|link }}" alt="edit">{% endif %}</td>
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
class StepPageWriter:
    """Writes `step_000010.html` into a folder, whose pictures are links to the files of the run, and tells trackers."""

    folder: Path
    trackers: Sequence[Tracker] = ()

    def write(self, rows: Sequence[CompletionRow], examples: Mapping[str, Example], record: TrainingRecord) -> Path:
        """Writes one page of the given rows, which belong to one step, and returns its path."""
        from jinja2 import Environment

        step = rows[0].step
        groups = list(shown_groups(rows, examples, record))
        environment = Environment(autoescape=True)
        environment.filters["link"] = self._link
        page = environment.from_string(_TEMPLATE).render(step=step, groups=groups)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step_{step:06d}.html"
        path.write_text(page, encoding="utf-8")
        for tracker in self.trackers:
            tracker.add(step, groups)
        return path

    def _link(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.folder)).as_posix()
