"""The curve of a training: its recorded edits scored anew by the other instruments, as CSV and PNG."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from src.data.sample import EditSample
from src.miniature.learning.change_point import FALSE_ALARMS
from src.miniature.learning.instruments import ORACLE, Instrument
from src.miniature.learning.order import (
    WINDOW,
    StepOrder,
    hacking_begins,
    ordered_pairs,
    stop_here,
    together,
    windowed_mean,
    windowed_share,
)
from src.miniature.model_folder import written_whole
from src.record.record import RECORD_NAME
from src.training.storage.output_directory import HISTORY
from src.training.storage.record import CompletionRow, TrainingRecord

COLUMNS = ("step", "reward", "oracle", "order_like_oracle", "order_like_other_judge", "kl")

logger = logging.getLogger(__name__)


class RecordedEdits:
    """The edits of a finished training, scored once by each instrument.

    Args:
        run: The output directory of the training.
        samples: The samples that it trained on, by id.
    """

    def __init__(self, run: Path, samples: Mapping[str, EditSample]) -> None:
        self.run, self.samples = run, samples
        self._kept = run / "scores.json"
        self._scores: dict[str, dict[str, float | None]] = (
            json.loads(self._kept.read_text(encoding="utf-8")) if self._kept.exists() else {}
        )

    def score(self, rows: Sequence[CompletionRow], record: TrainingRecord, instrument: Instrument) -> None:
        """Scores the edits of rows that an instrument has not scored yet."""
        known = self._scores.setdefault(instrument.key, {})
        keys = {row.edit_key: row.example_id for row in rows if row.edit_key and row.edit_key not in known}
        wanted = [(key, name) for key, name in keys.items() if record.has_edit(key)]
        if not wanted:
            return
        pictures = [np.asarray(Image.open(record.edit_path(key)).convert("RGB")) for key, _ in wanted]
        found = instrument.scores([self.samples[name] for _, name in wanted], pictures)
        known.update({key: score for (key, _), score in zip(wanted, found, strict=True)})
        with written_whole(self._kept) as partial:
            partial.write_text(json.dumps(self._scores), encoding="utf-8")

    def of(self, instrument: Instrument, row: CompletionRow) -> float | None:
        """The score of a row's edit."""
        return self._scores[instrument.key].get(row.edit_key or "")


def step_orders(
    run: Path, samples: Mapping[str, EditSample], oracle: Instrument, other: Instrument | None, every: int = 1
) -> list[StepOrder]:
    """Reads a finished training step by step.

    Args:
        run: Its output directory.
        samples: What it trained on, by id.
        oracle: The exact score.
        other: The judge that did not reward it, if there is one.
        every: Steps from one that is measured to the next.
    """
    history = json.loads((run / HISTORY).read_text(encoding="utf-8"))
    logged = {entry["step"]: entry for entry in history if "reward" in entry}
    (folder,) = {path.parent for path in (run / "record").rglob(RECORD_NAME)}
    steps = []
    with closing(TrainingRecord(folder)) as record:
        edits = RecordedEdits(run, samples)
        for step in sorted(logged)[::every]:
            rows = [row for row in record.completions(step) if row.edit_key and row.reward is not None]
            instruments = [oracle] if other is None else [oracle, other]
            for instrument in instruments:
                edits.score(rows, record, instrument)
            if rows:
                steps.append(_step(step, rows, edits, oracle, other, logged[step].get("kl")))
    return steps


def _step(
    step: int,
    rows: Sequence[CompletionRow],
    edits: RecordedEdits,
    oracle: Instrument,
    other: Instrument | None,
    kl: float | None,
) -> StepOrder:
    groups = []
    for _, neighbours in groupby(rows, key=lambda row: row.example_id):
        group = [
            (row.reward or 0.0, edits.of(oracle, row), edits.of(other, row) if other else 0.0) for row in neighbours
        ]
        groups.append([(reward, true, judged) for reward, true, judged in group if true is not None])
    known = [one for group in groups for one in group]
    return StepOrder(
        step=step,
        reward=float(np.mean([reward for reward, _, _ in known])),
        oracle=float(np.mean([true for _, true, _ in known])),
        with_oracle=together(
            [ordered_pairs([true for _, true, _ in group], [reward for reward, _, _ in group]) for group in groups]
        ),
        with_judge=together(
            [
                ordered_pairs([one[0] for one in group if one[2] is not None], _judged(one[2] for one in group))
                for group in groups
            ]
        )
        if other
        else None,
        kl=kl,
    )


def _judged(scores: Iterable[float | None]) -> list[float]:
    return [score for score in scores if score is not None]


def curve_csv(steps: Sequence[StepOrder]) -> str:
    """The windowed curves as CSV, a row for each measured step."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(steps):
        writer.writerow(["" if value is None else f"{value:g}" for value in row])
    return text.getvalue()


def _rows(steps: Sequence[StepOrder]) -> list[tuple[float | None, ...]]:
    return list(
        zip(
            [one.step for one in steps],
            windowed_mean([one.reward for one in steps]),
            windowed_mean([one.oracle for one in steps]),
            windowed_share([one.with_oracle for one in steps]),
            windowed_share([one.with_judge for one in steps if one.with_judge]) or [None] * len(steps),
            [one.kl for one in steps],
            strict=True,
        )
    )


def curve_sentences(steps: Sequence[StepOrder], name: str) -> list[str]:
    """What the curve says, in words."""
    begin, stop = hacking_begins(steps), stop_here(steps)
    half = len(steps) // 2
    halves = [together([one.with_oracle for one in part]) for part in (steps[:half], steps[half:])]
    found = []
    if all(part.pairs for part in halves):
        first, second = (f"{part.alike / part.pairs:.0%}" for part in halves)
        found.append(
            f"{name}: reward and oracle order {first} of clear pairs alike in the first half, {second} in the second"
        )
    found.append(f"{name}: {_from_where(begin, 'the reward leaves the oracle')}")
    if any(one.with_judge for one in steps):
        found.append(f"{name}: {_from_where(stop, 'the two judges agree less')}")
    return found


def _from_where(step: int | None, change: str) -> str:
    alarms = f"{FALSE_ALARMS:.0%} false alarms"
    if step is None:
        return f"no step from which {change} can be told from noise ({alarms})"
    return f"{change} from step {step} on ({alarms})"


def draw_order(steps: Sequence[StepOrder], path: Path, title: str) -> None:
    """Draws the curves into a PNG; without matplotlib, nothing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        logger.info("matplotlib is not installed; %s is not drawn", path)
        return
    columns = dict(zip(COLUMNS, zip(*_rows(steps), strict=True), strict=True))
    figure = Figure(figsize=(7, 5), layout="constrained")
    means, shares = figure.subplots(2, 1, sharex=True)
    means.plot(columns["step"], columns["reward"], label="reward")
    means.plot(columns["step"], columns["oracle"], label=ORACLE)
    means.set(ylabel="mean score (0–10)", title=title)
    shares.plot(columns["step"], _gaps(columns["order_like_oracle"]), label="reward and oracle")
    shares.plot(columns["step"], _gaps(columns["order_like_other_judge"]), label="reward and the other judge")
    shares.axhline(0.5, color="0.8", linewidth=1)
    shares.set(xlabel=f"step (mean of {WINDOW} measured steps)", ylabel="pairs of a group ordered alike")
    for step, colour in ((hacking_begins(steps), "C3"), (stop_here(steps), "C2")):
        for axes in (means, shares):
            if step is not None:
                axes.axvline(step, color=colour, linestyle=":")
    for axes in (means, shares):
        axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
