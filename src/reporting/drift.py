"""How far a judge has moved: its verdicts of today against the stored ones, as data, Markdown and on a terminal."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from src.data.verdict import Status
from src.errors import OutputError
from src.record.results import SampleResult
from src.reporting.markdown import escape
from src.reporting.paired import paired_difference
from src.reporting.report import NO_NAME
from src.reporting.statistics import SIGN_TEST_CLUSTERS
from src.reporting.wording import category_label, number, one_line
from src.terminal import clean_json

SCHEMA_VERSION = 1
REASONS_SHOWN = 5
_COLUMNS = ("category", "then", "today", "shift", "95 % interval", "equal", "scored / asked")

Anchor = tuple[SampleResult, SampleResult]
"""One sample as the run has it, and as it was judged today."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Scores of today minus the stored ones, over a group of anchors; figures are None where nothing was scored."""

    then: float | None
    """The mean of the stored scores of the anchors that have a score today."""
    today: float | None
    mean: float | None
    """The mean of the paired differences; below 0 where the judge is stricter today."""
    ci95: tuple[float, float] | None
    """95 % interval, clustered by source picture, as two runs are compared; see `paired_difference`."""
    equal: float | None
    """The share of anchors whose score is the very same."""
    scored: int
    asked: int


@dataclass(frozen=True)
class Drift:
    """What a judge says today of the anchors of a run, compared with what the record holds."""

    run_key: str
    threshold: float
    overall: Shift
    categories: dict[str, Shift]
    models_then: list[str]
    """Models that answered, as their servers resolved the name; empty for judges that do not say."""
    models_today: list[str]
    failures: dict[str, int]
    """Why anchors have no score today, with their number."""
    left_out: dict[str, int]
    """Why chosen anchors were not asked about, with their number."""
    anchors: list[dict[str, Any]] = field(repr=False)

    @property
    def measured(self) -> bool:
        """Whether there is an interval, without which nothing is said about a drift."""
        return self.overall.ci95 is not None

    @property
    def beyond(self) -> bool:
        """Whether the whole interval of the mean shift lies above the threshold or below its negative."""
        return self.overall.ci95 is not None and (
            self.overall.ci95[0] > self.threshold or self.overall.ci95[1] < -self.threshold
        )

    @property
    def conclusion(self) -> str:
        """One sentence: which of the three it is, and by which rule."""
        rule = f"±{self.threshold:g}"
        if self.overall.ci95 is None:
            return (
                f"the drift cannot be measured: {self.overall.scored} of {self.overall.asked} anchors have a score "
                "today, and an interval takes scores of two source pictures, "
                f"or of {SIGN_TEST_CLUSTERS} where all agree"
            )
        if self.beyond:
            return f"the judge has drifted: the whole 95 % interval of its mean shift lies beyond {rule}"
        if self.overall.ci95[0] < -self.threshold or self.overall.ci95[1] > self.threshold:
            return (
                f"no drift is proven: the 95 % interval of the mean shift lies partly beyond {rule}; ask more --samples"
            )
        return f"no drift: the whole 95 % interval of the mean shift lies within {rule}"


def build_drift(
    run_key: str, anchors: Sequence[Anchor], threshold: float, left_out: Mapping[str, int] | None = None
) -> Drift:
    """Compares the verdicts of today with the stored ones.

    Args:
        run_key: Of the run that holds the stored ones.
        anchors: What was asked about; the stored results all have a score.
        threshold: The shift of the mean score beyond which the judge has drifted, 0 or more.
        left_out: Why further anchors were not asked about, with their number.
    """
    groups: dict[str, list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        groups[anchor[0].category or NO_NAME].append(anchor)
    today = [now for _, now in anchors]
    failures = Counter(f"{now.status or 'unfinished'}: {now.reason or ''}" for now in today if now.score is None)
    return Drift(
        run_key=run_key,
        threshold=threshold,
        overall=_shift(anchors),
        categories={name: _shift(group) for name, group in groups.items()},
        models_then=_models(then for then, _ in anchors),
        models_today=_models(today),
        failures=dict(failures.most_common()),
        left_out=dict(left_out or {}),
        anchors=[_row(then, now) for then, now in anchors],
    )


def _shift(anchors: Sequence[Anchor]) -> Shift:
    stored = [then.score for then, _ in anchors]
    today = [now.score if now.status is Status.SCORED else None for _, now in anchors]
    sources = [then.dependence or then.sample_id for then, _ in anchors]
    found = paired_difference(stored, today, sources, bootstrap=False)
    return Shift(
        then=found.mean_first,
        today=found.mean_second,
        mean=found.difference,
        ci95=found.ci95,
        equal=found.ties / found.pairs if found.pairs else None,
        scored=found.pairs,
        asked=len(anchors),
    )


def _models(results: Iterable[SampleResult]) -> list[str]:
    return sorted({result.judge_model for result in results if result.judge_model})


def _row(then: SampleResult, now: SampleResult) -> dict[str, Any]:
    both = then.score is not None and now.score is not None
    return {
        "sample_id": then.sample_id,
        "category": then.category,
        "then": then.score,
        "today": now.score,
        "difference": now.score - then.score if both else None,  # type: ignore[operator]
        "status": now.status,
        "reason": now.reason,
        "replies_then": then.replies,
        "replies_today": now.replies,
    }


def print_drift(drift: Drift, console: Console) -> None:
    """Prints a row for each category and for all, what failed, the models, and the conclusion."""
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, no_wrap=True, justify="left" if name == "category" else "right")
    for cells in _rows(drift):
        table.add_row(*map(Text, cells))
    console.print(table)
    for line in _remarks(drift):
        console.print(Text(one_line(line), style="yellow"))
    console.print(Text(drift.conclusion, style="bold red" if drift.beyond else "bold"))


def write_drift(drift: Drift, folder: Path) -> tuple[Path, Path]:
    """Writes `drift.json` and `drift.md`, over those of an earlier measurement, whose answers stay in the record.

    Raises:
        OutputError: when the folder cannot be written.
    """
    data = {"schema_version": SCHEMA_VERSION, **asdict(drift)}
    verdict = {"measured": drift.measured, "beyond": drift.beyond, "conclusion": drift.conclusion}
    texts = {
        folder / "drift.json": clean_json(json.dumps(data | verdict, ensure_ascii=False, indent=1, allow_nan=False)),
        folder / "drift.md": _markdown(drift),
    }
    for path, text in texts.items():
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written: {error.strerror or error}; make room, or choose another --output-dir"
            ) from error
    json_path, markdown_path = texts
    return json_path, markdown_path


def _markdown(drift: Drift) -> str:
    rows = [f"| {' | '.join(map(escape, cells))} |" for cells in _rows(drift)]
    sections = [
        ["# Drift of the judge"],
        [f"**{escape(drift.conclusion)}.**"],
        [f"Run `{drift.run_key}`; shift is the score of today minus the stored one, of the same edits."],
        [f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}", *rows],
        [f"- {escape(line)}" for line in _remarks(drift)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _rows(drift: Drift) -> Iterator[list[str]]:
    groups = {category_label(name): shift for name, shift in drift.categories.items()} | {"all": drift.overall}
    for name, shift in groups.items():
        signed = "–" if shift.mean is None else f"{shift.mean:+.3f}"
        interval = "[{:+.3f}, {:+.3f}]".format(*shift.ci95) if shift.ci95 else "–"
        equal = "–" if shift.equal is None else f"{shift.equal:.0%}"
        means = (number(shift.then, 2), number(shift.today, 2))
        yield [name, *means, signed, interval, equal, f"{shift.scored} / {shift.asked}"]


def _remarks(drift: Drift) -> Iterator[str]:
    if drift.models_then or drift.models_today:
        then, today = (", ".join(names) or "not said" for names in (drift.models_then, drift.models_today))
        yield f"model {then} then, {today} today" if then != today else f"model {today}, then and today"
    for what, counts in (("without a score today", drift.failures), ("not asked about", drift.left_out)):
        for reason, count in list(counts.items())[:REASONS_SHOWN]:
            yield f"{count} {what}: {reason}"
        if (more := len(counts) - REASONS_SHOWN) > 0:
            yield f"… and {more} more reasons, all in drift.json"
