"""`write_official_scores`: the scores of a run in the files that a benchmark's own script writes."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.data.benchmarks.official_scores import COMPLEX_EDIT_VALUES
from src.data.verdict import Status
from src.errors import OutputError
from src.record.results import RunInfo, SampleResult
from src.reporting.protocols.section import protocol_of

_GEDIT = ("source_image", "edited_image", "instruction", "sementics_score", "quality_score")
_RISE = {"Reasoning": "reasoning", "ApprConsistency": "consistency", "VisualPlausibility": "plausibility"}
_KRIS = ("consistency_score", "instruction_score", "quality_score", "knowledge_score")


def write_official_scores(info: RunInfo, results: Iterable[SampleResult], folder: Path) -> list[Path]:
    """Writes the score files of the benchmark by whose protocol a run was scored.

    A value that a sample does not have is an empty cell, null, or no entry: the official scripts leave it out of their
    means. What is not applicable has no row.

    Args:
        info: The run.
        results: Its samples.
        folder: Where the files go.

    Returns:
        The files that were written.

    Raises:
        OutputError: the run was not scored by such a protocol, or the files cannot be written.
    """
    facts = protocol_of(info.scorer)
    if facts is None:
        raise OutputError(
            "official score files are those of a public benchmark's protocol, and this run was scored by "
            f"{info.scorer.get('class')}; name a protocol as scorer, as docs/protocols.md says"
        )
    if facts.short_name not in _FILES:
        raise OutputError(
            f"{facts.name} is the protocol of a reward model, whose repository has no score files of a benchmark; "
            f"those of {', '.join(_FILES)} can be written"
        )
    rows = [row for row in results if row.status not in (Status.NOT_APPLICABLE, Status.BAD_SAMPLE)]
    try:
        return [_written(folder / name, content) for name, content in _FILES[facts.short_name](rows).items()]
    except OSError as error:
        raise OutputError(f"the scores cannot be written to {folder}: {error.strerror or error}") from error


def _written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(content[0]))
        table.writeheader()
        table.writerows(content)
    return path


def _gedit(rows: Sequence[SampleResult]) -> dict[str, Any]:
    """A table a task, with the outputs where the official layout has them."""
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        language = str(row.attributes.get("instruction_language", "en"))
        place = f"fullset/{row.category}/{language}/{row.attributes.get('key', row.sample_id)}"
        told = (f"{place}_SRCIMG.png", f"{place}.png", row.instruction)
        scores = (row.dimensions.get(name) for name in ("semantic_consistency", "perceptual_quality"))
        tables[f"editloop_{row.category}_gpt_score.csv"].append(
            dict(zip(_GEDIT, (*told, *scores), strict=True))
            | {
                "intersection_exist": row.attributes.get("Intersection_exist") == "true",
                "instruction_language": language,
            }
        )
    return tables


def _imgedit(rows: Sequence[SampleResult]) -> dict[str, Any]:
    """The mean of each sample and, where there are any, the replies of its judge."""
    scores = {row.sample_id: row.dimensions.get("protocol_score") for row in rows}
    replies = {row.sample_id: row.replies[-1] for row in rows if row.replies}
    found = {"average_score.json": {name: score for name, score in scores.items() if score is not None}}
    return found | ({"result.json": replies} if replies else {})


def _rise(rows: Sequence[SampleResult]) -> dict[str, Any]:
    return _table(rows, lambda row: {"index": row.sample_id, "category": row.category})


def _uniredit(rows: Sequence[SampleResult]) -> dict[str, Any]:
    return _table(rows, lambda row: {"name": row.category, "idx": row.attributes.get("idx", row.sample_id)})


def _table(rows: Sequence[SampleResult], names: Callable[[SampleResult], Mapping[str, Any]]) -> dict[str, Any]:
    """The table with a row a sample, which the official scripts write as .xlsx."""
    return {
        "editloop_judge_samples.csv": [
            {
                **names(row),
                "instruction": row.instruction,
                **{column: row.dimensions.get(name) for column, name in _RISE.items()},
            }
            for row in rows
        ]
    }


def _kris(rows: Sequence[SampleResult]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        scores = {name: row.dimensions[name] for name in _KRIS if name in row.dimensions}
        key = row.sample_id.removeprefix(f"{row.category}_")
        explained = {"explain_en": row.attributes["explain_en"]} if "explain_en" in row.attributes else {}
        found[f"{row.category}/metrics.json"][key] = {"ins_en": row.instruction, **explained, **scores}
    return found


def _complex_edit(rows: Sequence[SampleResult]) -> dict[str, Any]:
    """A folder for each level, in it one file for each row and part."""
    found: dict[str, Any] = {}
    for row in rows:
        level = row.attributes.get("level")
        place, name = f"complexity_{level}" if level else "no_level", f"{row.sample_id.removesuffix(f'_c{level}')}.json"
        for folder, names in COMPLEX_EDIT_VALUES.items():
            values = {one: value for one in names if (value := row.dimensions.get(one)) is not None}
            if values:
                found[f"{place}/{folder}/{name}"] = {"instruction": row.instruction, **values}
        if row.score is not None:
            every = {one: row.dimensions[one] for names in COMPLEX_EDIT_VALUES.values() for one in names}
            overall = every | {"overall": row.dimensions.get("protocol_score"), "instruction": row.instruction}
            found[f"{place}/overall/{name}"] = overall
    return found


_FILES: dict[str, Callable[[Sequence[SampleResult]], dict[str, Any]]] = {
    "gedit": _gedit,
    "gedit-qwen": _gedit,
    "imgedit": _imgedit,
    "imgedit-uge": _imgedit,
    "rise": _rise,
    "kris": _kris,
    "uniredit": _uniredit,
    "complex-edit": _complex_edit,
}
