"""A report as the YAML of the hub's evaluation results, for `.eval_results/` in the repository of a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from src.counted import counted
from src.data.categories import ENGLISH
from src.data.sources import HUB_PREFIX
from src.errors import ConfigError, OutputError
from src.reporting.wording import class_name, coverage, incomplete_report, number, one_line

OVERALL_TASK = "default"
"""The task of the mean over all samples; a category's task is its English name."""
_DATASET_ID = re.compile(r"[\w.-]+/[\w.-]+")


def hub_entries(report: dict[str, Any], dataset_id: str | None = None) -> list[dict[str, Any]]:
    """The means of a report as entries of the hub's format (huggingface.co/docs/hub/eval-results).

    Args:
        report: From `build_report`.
        dataset_id: The benchmark on the hub; by default the one that an `hf://` path of the run names.

    Returns:
        One entry for all samples, and one for each category in which a sample was scored. Each says in its notes
        how uncertain it is, how many samples were scored, which judge scored them, and whether the run has not ended.

    Raises:
        ConfigError: the run does not name a dataset of the hub, and none is given.
        OutputError: no sample was scored.
    """
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    dataset = dataset_id or _dataset_of(report["config"]["benchmark"]["data_path"])
    if not _DATASET_ID.fullmatch(dataset):
        raise ConfigError(
            f"the hub's results name a benchmark of the hub, and {dataset!r:.80} is none: add --hub-dataset ORG/NAME"
        )
    groups = {OVERALL_TASK: report["overall_statistics"]} | {
        _task(name): values for name, values in report["category_statistics"].items()
    }
    if groups[OVERALL_TASK]["mean"] is None:
        raise OutputError("no sample of this run was scored: there is no result for the hub")
    entries = [
        EvalResultEntry(
            dataset_id=dataset,
            task_id=task,
            value=round(values["mean"], 4),
            date=report["attempts"][-1]["started"] if report["attempts"] else None,
            notes=_notes(report, values),
        )
        for task, values in groups.items()
        if values["mean"] is not None
    ]
    return eval_result_entries_to_yaml(entries)


def _dataset_of(data_path: str) -> str:
    """`org/name` of `hf://org/name…`, or the path as it is."""
    found = _DATASET_ID.match(data_path.removeprefix(HUB_PREFIX))
    return found.group() if found and data_path.startswith(HUB_PREFIX) else data_path


def _task(category: str) -> str:
    return re.sub(r"\W+", "_", ENGLISH.get(category, category)).strip("_").casefold() or "unnamed"


def _notes(report: dict[str, Any], values: dict[str, Any]) -> str:
    interval = "95 % interval {:.3f} to {:.3f}, ".format(*values["ci95"]) if values["ci95"] else ""
    models = ", ".join(map(one_line, report["judge_models"]))
    judge = class_name(report["scorer"]) + (f" ({models})" if models else "")
    scored = f"{values['num_samples']} of {counted(values['total'], 'sample')} scored ({coverage(values)})"
    notes = f"mean {number(values['mean'])} on a scale from 0 to 10, {interval}{scored}; judged by {judge}"
    return "; ".join(filter(None, [notes, incomplete_report(report)]))


def write_hub_results(entries: list[dict[str, Any]], path: Path) -> None:
    """Writes the entries as a YAML file.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(entries, allow_unicode=True, sort_keys=False, width=100), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"the hub's results cannot be written to {path}: {reason}; name another place") from error
