"""Whether two runs may be compared: what differs in their samples and their judge, and how to make it equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from src.counted import counted
from src.data.categories import category_key
from src.data.verdict import Status
from src.errors import ComparisonError
from src.record.differences import differing_values
from src.record.results import RunInfo, SampleResult
from src.reporting.mismatch import Difference, Mismatch
from src.reporting.stored_runs import StoredRun

ANSWERED_BY = "answered by"
_SHOWN = 3
_SAMPLE_FIELDS = ("source_sha256", "instruction", "description", "category", "difficulty")
"""What makes a sample the same sample: all that is recorded of what editor and judge are given."""


def check_comparable(
    runs: Sequence[StoredRun], allowed: Collection[Difference], *, by_option: bool = True
) -> list[Mismatch]:
    """Compares every run with the first one.

    Args:
        runs: All runs.
        allowed: What may differ.
        by_option: Whether the command has the option `--allow`, which the error then names.

    Returns:
        The differences that were allowed.

    Raises:
        ComparisonError: for differences that were not allowed, and for a run in which nothing was scored.
    """
    for run in runs:
        _refuse_without_scores(run)
    found = [mismatch for other in runs[1:] for mismatch in mismatches(runs[0], other)]
    refused = [mismatch for mismatch in found if mismatch.kind not in allowed]
    if refused:
        kinds = list(dict.fromkeys(mismatch.kind for mismatch in refused))
        lines = [f"{mismatch.kind}: {mismatch.text}" for mismatch in refused]
        advice = dict.fromkeys(_remedy(kind, runs) for kind in kinds)
        options = " ".join(f"--allow {kind}" for kind in kinds)
        offer = [f"Or compare them all the same, with a mark on every table: {options}"] if by_option else []
        raise ComparisonError("\n  ".join(["the runs cannot be compared.", *lines, *advice, *offer]))
    return found


def _refuse_without_scores(run: StoredRun) -> None:
    if any(row.status is Status.SCORED for row in run.results):
        return
    if not run.results:
        raise ComparisonError(f"{run.name} holds no sample yet; run it, or go on with it by --resume")
    reason = next((row.reason for row in run.results if row.reason), "it ended before the first verdict")
    raise ComparisonError(
        f"none of the {counted(len(run.results), 'sample')} of {run.name} has a score ({reason}); "
        "mend that, and go on by --resume"
    )


def _remedy(kind: Difference, runs: Sequence[StoredRun]) -> str:
    first = runs[0].name
    if kind is Difference.SAMPLES and len({run.shard for run in runs}) > 1:
        shards = ", ".join(f"{run.name} is shard {run.shard} of a run" for run in runs if run.shard is not None)
        return f"{shards}: compare whole runs, which `python main.py merge RUN… --output DIR` makes of all their shards"
    if kind in (Difference.SAMPLES, Difference.REFERENCES):
        return (
            f"To make the {kind} equal: run the others with the benchmark section of {first} (data_path, categories, "
            "difficulties, limit, language) and --resume, which does nothing twice"
        )
    return (
        f"To make the judgement equal: run the others with the sections scorer, reward_model and prompts of {first} "
        "and --resume, which judges their edits anew and edits nothing"
    )


def mismatches(first: StoredRun, second: StoredRun) -> list[Mismatch]:
    """Yields all that differs in samples and judgement; an unfinished run may lack samples."""
    found = [*_different_samples(first, second), *_different_references(first, second)]
    one, other = (judgement_identity(run.info, run.results) for run in (first, second))
    if not (one[ANSWERED_BY] and other[ANSWERED_BY]):  # a judge that does not say, or a record from before it was noted
        one[ANSWERED_BY] = other[ANSWERED_BY] = []
    different = differing_values(one, other)
    if classes := [entry for entry in different if entry[0] in ("class", "judge.class")]:
        different = classes  # the params and prompts of another class are others for that reason alone
    for kind in (Difference.JUDGE, Difference.RUBRIC, Difference.IMAGES):
        told = [
            f"{path} is {left} in {first.name} and {right} in {second.name}"
            for path, left, right in different
            if _kind(path) is kind
        ]
        if told:
            found.append(Mismatch(kind, _some(told)))
    return found


def _some(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


# Samples.


def same_sample(one: SampleResult, other: SampleResult) -> bool:
    """Whether two rows are about the same sample; one that could not be read has nothing to tell them apart by."""
    if one.source_sha256 is None or other.source_sha256 is None:
        return True
    return all(getattr(one, name) == getattr(other, name) for name in _SAMPLE_FIELDS)


def _different_samples(first: StoredRun, second: StoredRun) -> Iterator[Mismatch]:
    for one, other in ((first, second), (second, first)):
        lacking = [sample_id for sample_id in one.by_id if sample_id not in other.by_id]
        if lacking and not other.interrupted:
            samples = f"{len(lacking)} of the {counted(len(one.by_id), 'sample')} of {one.name}"
            text = f"{other.name} lacks {samples} ({_ids(lacking)})"
            yield Mismatch(Difference.SAMPLES, text)
    shared = [sample_id for sample_id in first.by_id if sample_id in second.by_id]
    for name in _SAMPLE_FIELDS:
        changed = [
            sample_id
            for sample_id in shared
            if first.by_id[sample_id].source_sha256 is not None
            and second.by_id[sample_id].source_sha256 is not None
            and getattr(first.by_id[sample_id], name) != getattr(second.by_id[sample_id], name)
        ]
        if changed:
            what = "source picture" if name == "source_sha256" else name
            text = f"{_have(changed)} another {what} in {second.name} than in {first.name} ({_ids(changed)})"
            yield Mismatch(Difference.SAMPLES, text)


def same_expectation(one: SampleResult, other: SampleResult) -> bool:
    """Whether the benchmark says the same of the right edit, as far as both records have noted it."""
    return one.expected is None or other.expected is None or one.expected == other.expected


def _different_references(first: StoredRun, second: StoredRun) -> Iterator[Mismatch]:
    both = [(row, second.by_id[sample_id]) for sample_id, row in first.by_id.items() if sample_id in second.by_id]
    changed = [
        (one.sample_id, differing_values(one.expected or {}, other.expected or {}))
        for one, other in both
        if not same_expectation(one, other)
    ]
    for name in dict.fromkeys(path for _, found in changed for path, *_ in found):
        ids = [sample_id for sample_id, found in changed if any(path == name for path, *_ in found)]
        text = f"{_have(ids)} another {name} in {second.name} than in {first.name} ({_ids(ids)})"
        yield Mismatch(Difference.REFERENCES, text)


def _have(ids: Sequence[str]) -> str:
    return counted(len(ids), "sample has", "samples have")


def _ids(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")


def samples_identity(results: Sequence[SampleResult]) -> str:
    """A digest that is equal for runs of the same samples, in whatever order; unreadable samples count by their id."""
    rows = sorted(
        [row.sample_id, *(getattr(row, name) for name in _SAMPLE_FIELDS), *sorted((row.expected or {}).items())]
        if row.source_sha256 is not None
        else [row.sample_id]
        for row in results
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


# Judgement.


def judgement_identity(info: RunInfo, results: Sequence[SampleResult]) -> dict[str, Any]:
    """What decides the verdicts: scorer, judge and prompts, and the model that a server resolved the name to."""
    named = {category_key(row.category) for row in results if row.category}
    inline = info.config.get("prompts") or {}
    models = sorted({row.judge_model for row in results if row.judge_model})
    return {
        **{name: value for name, value in info.scorer.items() if name != "prompts"},
        "prompts": info.scorer.get("prompts") or {},
        "inline prompts": {name: text for name, text in inline.items() if category_key(name) in named},
        ANSWERED_BY: models,
    }


def _kind(path: str) -> Difference:
    top, last = path.partition(".")[0], path.rpartition(".")[2]
    if top in ("prompts", "inline prompts"):
        return Difference.RUBRIC
    return Difference.IMAGES if "image" in last or "pixels" in last else Difference.JUDGE
