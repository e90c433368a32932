"""What a resumed run has to do again because its settings are others than those of the runs in the record, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from src.record.differences import differing_values
from src.record.record import Record
from src.record.results import RunInfo

SHOWN = 5

Aspect = Callable[[RunInfo], Any]

_ASPECTS: tuple[tuple[str, Aspect, str], ...] = (
    ("editor", lambda run: run.editor, "every edit is made and judged again"),
    ("seed", lambda run: run_seed(run.config), "every edit is made and judged again"),
    (
        "language",
        lambda run: run.config["benchmark"]["language"],
        "edits whose instruction reads otherwise are made again, and every edit is judged again",
    ),
    (
        "scorer",
        lambda run: {name: value for name, value in run.scorer.items() if name != "prompts"},
        "every edit is judged again, none is made again",
    ),
    (
        "prompts",
        lambda run: {"config": run.config.get("prompts"), "shipped": run.scorer.get("prompts")},
        "edits of categories with other prompts are judged again, none is made again",
    ),
)
"""What decides results besides the sample, the most expensive first, and what another one of it costs."""


def reasons_to_redo(record: Record, info: RunInfo) -> Iterator[str]:
    """Yields a sentence for what has to be made or judged again; nothing where a run of the record had equal settings.

    Args:
        record: Holds the runs before.
        info: The run that is about to go on.
    """
    runs = record.runs()
    latest = runs[:1]
    for name, aspect, consequence in _ASPECTS:
        now = _plain(aspect(info))
        runs = [run for run in runs if _plain(aspect(run)) == now]
        if latest and not runs:
            why = differences({name: _plain(aspect(latest[0]))}, {name: now})
            yield f"not the {name} of before ({why}): {consequence}; what was done before stays in the record"
            return


def run_seed(config: Mapping[str, Any]) -> int:
    """The seed of a run by its stored config, where the editor's own goes before that of the run."""
    own = (config["diffusion_model"].get("params") or {}).get("seed")
    return int(config["runtime"]["seed"] if own is None else own)


def _plain(data: Any) -> Any:
    """The data as the record gives them back, which went through JSON."""
    return json.loads(json.dumps(data))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Says where two mappings of JSON data differ, such as `editor.params.seed: 8, now 4`; empty where they do not."""
    named = [f"{name}: {old}, now {new}" for name, old, new in differing_values(before, now)]
    return "; ".join(named[:SHOWN]) + ("; …" if len(named) > SHOWN else "")
