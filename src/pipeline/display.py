"""What a person sees while a run goes on: one bar for each stage, rates, failures, time left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from src.pipeline.tally import Tally
from src.reporting.wording import duration


class RunDisplay:
    """A context manager whose `tick` shows a tally; plain lines every `quiet_seconds` where there is no terminal."""

    def __init__(self, console: Console, quiet_seconds: float = 30.0) -> None:
        self._console = console
        self._quiet_seconds = quiet_seconds
        self._last_line = time.perf_counter()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._editing = self._progress.add_task("edit ", total=None, rate="", note="")
        self._judging = self._progress.add_task("judge", total=None, rate="", note="")

    def __enter__(self) -> RunDisplay:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def tick(self, tally: Tally) -> None:
        """Shows how far the run is."""
        if not self._console.is_terminal:
            self._line(tally)
            return
        loading = f"loading {tally.loading} …" if tally.loading else ""
        edit_note = loading or _failures(tally.edits_failed, "failed") + _failures(tally.bad, "bad samples")
        edit_note += f"[yellow]{waiting(tally.seconds_to_wait_to_edit())}[/yellow]"
        judge_note = _failures(tally.verdicts_failed, "without a score")
        judge_note += (
            _failures(tally.inapplicable, "not applicable") + f"[yellow]{waiting(tally.seconds_to_wait())}[/yellow]"
        )
        for task, done, made, note in (
            (self._editing, tally.edits_done, tally.edits_made, edit_note),
            (self._judging, tally.judged, tally.verdicts_made, judge_note),
        ):
            self._progress.update(
                task, completed=done, total=tally.expected, rate=_rate(made, tally.seconds), note=note
            )

    def _line(self, tally: Tally) -> None:
        if time.perf_counter() - self._last_line < self._quiet_seconds:
            return
        self._last_line = time.perf_counter()
        failures = tally.edits_failed + tally.verdicts_failed + tally.bad
        self._console.print(
            f"{tally.seconds:.0f} s: {tally.edits_done} edited, {tally.judged} judged of about {tally.expected}, "
            f"{failures} failed {f'(loading {tally.loading})' if tally.loading else ''}"
            f"{waiting(max(tally.seconds_to_wait(), tally.seconds_to_wait_to_edit()))}"
        )


def _rate(count: int, seconds: float) -> str:
    per_second = count / seconds if seconds > 0 else 0.0
    return f"{per_second:.1f}/s" if per_second >= 1 or not count else f"{1 / per_second:.1f} s each"


def waiting(seconds: float) -> str:
    """Says how long a server has asked to wait yet; nothing below a second."""
    return f"the server asks to wait: {duration(seconds)} yet" if seconds >= 1 else ""


def _failures(count: int, word: str) -> str:
    return f"[red]{count} {word}[/red] " if count else ""
