"""What a calibration reports: labels of people against the scores of one run, or choices of people between two."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from src.data.verdict import Status
from src.data.winners import BOTH_BAD, FIRST_WINS, SECOND_WINS, TIE
from src.errors import DataError
from src.record.results import SampleResult
from src.reporting.calibration.agreement import Level, krippendorff_alpha
from src.reporting.calibration.labels import Label, check_ids
from src.reporting.calibration.pair_order import (
    Numbers,
    accuracy_of_choices,
    accuracy_of_scores,
    all_pairs,
    best_tie_width,
    pairs_of,
)
from src.reporting.calibration.prediction_powered import prediction_powered_mean
from src.reporting.calibration.rank_correlation import kendall_tau_b, spearman_rho
from src.reporting.calibration.recalibration import recalibrate
from src.reporting.calibration.resampling import Array, cluster_numbers, mean_measured
from src.reporting.comparability import check_comparable
from src.reporting.report import NO_NAME
from src.reporting.statistics import SCORES, mean_interval
from src.reporting.stored_runs import StoredRun

SCHEMA_VERSION = 1
SIGNS = {FIRST_WINS: -1.0, SECOND_WINS: 1.0, TIE: 0.0, BOTH_BAD: 0.0}
"""What the second run gains by each choice."""
_CODES = {name: float(place) for place, name in enumerate(SIGNS)}


def scored_samples(run: StoredRun) -> dict[str, SampleResult]:
    """The samples of a run that have a score, by id."""
    return {row.sample_id: row for row in run.results if row.status is Status.SCORED}


@dataclass(frozen=True)
class _Point:
    """One labelled sample: what the judge says of it and, over all raters, what people say."""

    category: str
    source: str | None
    judge: float
    """Score, or the score of the second run less that of the first."""
    human: float
    """Mean label, or the mean sign of the choices."""


def calibrate(runs: Sequence[StoredRun], labels: Sequence[Label], labels_file: Path) -> dict[str, Any]:
    """Compares the labels with the runs, overall and in each category.

    Args:
        runs: One run for labels with scores, two for choices between them.
        labels: From `read_labels`.
        labels_file: Where they were read, for messages and the report.

    Returns:
        JSON data: `labels`, `runs`, `overall`, `categories`, `tie_width`, `agreement` and, for scores, `recalibration`.

    Raises:
        DataError: the labels do not belong to the runs, or fewer than two labelled samples have a score.
        ComparisonError: a run has no scores, or two runs have other samples or another judge than each other.
    """
    of_pairs = labels[0].winner is not None
    _check_runs(runs, of_pairs, labels_file)
    named = " and ".join(str(run.folder) for run in runs)
    known = [{row.sample_id: row.edit_key for row in run.results} for run in runs]
    common = {name: [keys[name] for keys in known] for name in known[0] if all(name in keys for keys in known)}
    check_ids(labels, common, labels_file, named)
    scored = [scored_samples(run) for run in runs]
    points = _points(labels, scored)
    labelled = len({label.sample_id for label in labels})
    if len(points) < 2:
        raise DataError(
            f"{labels_file}: {len(points)} of {labelled} labelled samples has a score in {named}: at least two are "
            "needed to compare anything; label more, or see by `python main.py report` why there are no scores"
        )
    judge, human = _arrays(points)
    names = {label.sample_id for label in labels}
    others = [row for row in scored[0].values() if row.sample_id not in names]
    width, _ = best_tie_width(pairs_of(judge, human) if of_pairs else all_pairs(judge, human))
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
        "labels": {
            "file": str(labels_file),
            "kind": "choices" if of_pairs else "scores",
            "labels": len(labels),
            "samples": labelled,
            "without_score": labelled - len(points),
            "raters": len({label.rater for label in labels}),
        },
        "runs": [{"folder": str(run.folder), "run_key": run.info.run_key, "editor": run.info.editor} for run in runs],
        "scorer": runs[0].info.scorer,
        "overall": _figures(points, others, of_pairs),
        "categories": {
            name: _figures(
                [point for point in points if point.category == name],
                [row for row in others if (row.category or NO_NAME) == name],
                of_pairs,
            )
            for name in dict.fromkeys(point.category for point in points)
        },
        "tie_width": width,
        "agreement": _agreement(labels, scored[0], of_pairs),
    }
    if not of_pairs:
        report["recalibration"] = asdict(recalibrate(judge, human, _clusters(points)))
    return report


def _check_runs(runs: Sequence[StoredRun], of_pairs: bool, path: Path) -> None:
    if of_pairs and len(runs) < 2:
        raise DataError(
            f"{path} has choices between two runs: name both, `calibrate RUN_A RUN_B`, a and b in its words"
        )
    if not of_pairs and len(runs) > 1:
        raise DataError(f"{path} has scores of single edits: name the one run that they are of")
    check_comparable(runs, (), by_option=False)


def _points(labels: Iterable[Label], scored: Sequence[dict[str, SampleResult]]) -> list[_Point]:
    said: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        said[label.sample_id].append(SIGNS[label.winner] if label.winner else label.score or 0.0)
    points = []
    for name in (name for name in scored[0] if name in said):
        rows = [results.get(name) for results in scored]
        scores = [row.score for row in rows if row is not None and row.score is not None]
        if len(scores) < len(rows):
            continue
        judge = scores[-1] - scores[0] if len(scores) > 1 else scores[0]
        first = scored[0][name]
        points.append(_Point(first.category or NO_NAME, first.dependence, judge, statistics.fmean(said[name])))
    return points


def _arrays(points: Sequence[_Point]) -> tuple[Array, Array]:
    return np.array([point.judge for point in points]), np.array([point.human for point in points])


def _clusters(points: Sequence[_Point]) -> Numbers:
    return cluster_numbers([point.source for point in points])


def _figures(points: Sequence[_Point], others: Sequence[SampleResult], of_pairs: bool) -> dict[str, Any]:
    """Figures of a group; `others` are its scored samples without a label."""
    judge, human = _arrays(points)
    clusters = _clusters(points)
    found = {"samples": len(points), "sources": len(set(clusters.tolist()))}
    return found | (_pair_figures(judge, human, clusters) if of_pairs else _score_figures(points, others))


def _score_figures(points: Sequence[_Point], others: Sequence[SampleResult]) -> dict[str, Any]:
    judge, human = _arrays(points)
    clusters = _clusters(points)
    labelled = [(point.human, point.judge, point.source) for point in points]
    unlabelled = [(row.score, row.dependence) for row in others if row.score is not None]
    classical = mean_interval(human.tolist(), clusters.tolist(), SCORES)
    return {
        "accuracy": asdict(accuracy_of_scores(judge, human, clusters)),
        "tau_b": asdict(kendall_tau_b(judge, human, clusters)),
        "rho": asdict(spearman_rho(judge, human, clusters)),
        "mean_of_labels": asdict(mean_measured(float(human.mean()), classical, len(points))),
        "mean_prediction_powered": asdict(prediction_powered_mean(labelled, unlabelled, SCORES)),
        "mean_of_judge": statistics.fmean([*judge.tolist(), *(score for score, _ in unlabelled)]),
    }


def _pair_figures(judge: Array, human: Array, clusters: Numbers) -> dict[str, Any]:
    """Figures of choices. A preference is the share of choices for the second run, ties counted half."""
    preferences = {
        "of_people": ((np.sign(human) + 1) / 2).tolist(),
        "of_judge": ((np.sign(np.round(judge, 9)) + 1) / 2).tolist(),
    }
    return {
        "accuracy": asdict(accuracy_of_choices(judge, human, clusters)),
        "ties_of_people": float((np.sign(human) == 0).mean()),
        **{
            f"preference_{whose}": asdict(
                mean_measured(
                    statistics.fmean(values), mean_interval(values, clusters.tolist(), (0.0, 1.0)), len(values)
                )
            )
            for whose, values in preferences.items()
        },
    }


def _agreement(labels: Sequence[Label], scored: dict[str, SampleResult], of_pairs: bool) -> dict[str, Any]:
    """Krippendorff's alpha of the raters: of choices nominal, of scores ordinal and interval."""
    units: dict[str, list[float]] = defaultdict(list)
    for label in labels:
        units[label.sample_id].append(_CODES[label.winner] if label.winner else label.score or 0.0)
    sources = {name: scored[name].dependence if name in scored else name for name in units}
    levels: tuple[Level, ...] = ("nominal",) if of_pairs else ("ordinal", "interval")
    return {level: asdict(krippendorff_alpha(units, sources, level)) for level in levels}
