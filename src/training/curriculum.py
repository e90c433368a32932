"""`data.curriculum`: easy prompts first, in stages of (level, discipline) bins ordered by a score of each bin."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.counted import counted
from src.data.categories import category_key, difficulty_key
from src.errors import DataError
from src.record.record import RECORD_NAME
from src.reporting.stored_runs import latest_run, score_of
from src.training.config import CurriculumSettings
from src.training.tasks.example import Example

Bin = tuple[str, str]
"""Level (the difficulty; empty where a sample has none) and discipline (the category), without regard to case."""

_LEVEL, _DISCIPLINE, _SCORE = ("level", "difficulty"), ("discipline", "category"), ("avg_k_score_w", "score")
"""The names of the fields of a scores file: those of MMMG's difficulty summary, and those of this project."""
_NAMED = 5


def bin_of(example: Example) -> Bin:
    """Returns the bin of an example, by the difficulty of its subject and its category."""
    return _bin(getattr(example.subject, "difficulty", None), example.category)


def _bin(level: str | None, discipline: str | None) -> Bin:
    return difficulty_key(level or ""), category_key(discipline or "")


def bin_scores(settings: CurriculumSettings) -> dict[Bin, float]:
    """Reads the score of each bin; a higher one is easier.

    `settings.scores` is a JSON file such as MMMG's `mmmg_difficulty_summary.json`, or the output directory of a
    benchmark run, of which the means over the scored samples are taken.

    Raises:
        DataError: the file is not there or of another form; the run has no scored sample.
        OutputError: the record of the run cannot be read.
    """
    path = Path(settings.scores)
    if (path / RECORD_NAME).is_file():
        return _measured(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"data.curriculum.scores: {path} cannot be read ({error.strerror or error}): name a JSON file of "
            "scores, or the output directory of a benchmark run"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"data.curriculum.scores: {path} is no JSON: {error}") from error
    return _stated(data, path)


def _measured(folder: Path) -> dict[Bin, float]:
    found: defaultdict[Bin, list[float]] = defaultdict(list)
    for row in latest_run(folder).results:
        score = score_of(row)
        if score is not None:
            found[_bin(row.difficulty, row.category)].append(score)
    if not found:
        raise DataError(f"data.curriculum.scores: the run in {folder} has no scored sample; finish it first")
    return {bin_: math.fsum(scores) / len(scores) for bin_, scores in found.items()}


def _stated(data: Any, path: Path) -> dict[Bin, float]:
    """The scores of a file: a list of objects, at its top or under one of its keys."""
    lists = [data] if isinstance(data, list) else [*data.values()] if isinstance(data, Mapping) else []
    tables = [entries for entries in lists if isinstance(entries, list) and entries]
    if len(tables) != 1:
        raise DataError(
            f"data.curriculum.scores: {path} has {len(tables)} lists of bins, at its top or under its keys; it needs "
            'one, such as [{"level": "0_preschool", "discipline": "biology", "score": 0.6}, …]'
        )
    scores: dict[Bin, float] = {}
    for place, entry in enumerate(tables[0]):
        try:
            level, discipline, score = _entry(entry)
        except ValueError as error:
            raise DataError(f"data.curriculum.scores: {path}, entry {place}, {error}") from error
        bin_ = _bin(level, discipline)
        if scores.setdefault(bin_, score) != score:
            raise DataError(f"data.curriculum.scores: {path} gives {_named(bin_)} two different scores")
    return scores


def _entry(entry: Any) -> tuple[str | None, str, float]:
    if not isinstance(entry, Mapping):
        raise ValueError(f"is {type(entry).__name__}, not an object")
    level, discipline, score = (
        next((entry[name] for name in names if name in entry), None) for names in (_LEVEL, _DISCIPLINE, _SCORE)
    )
    if not isinstance(discipline, str) or not isinstance(level, str | None):
        raise ValueError(f"has no text for {' or '.join(_LEVEL)}, or {' or '.join(_DISCIPLINE)}")
    return level, discipline, _number(score)


def _number(score: Any) -> float:
    try:
        number = float(score) if isinstance(score, int | float) and not isinstance(score, bool) else math.nan
    except OverflowError:  # JSON knows whole numbers of any length
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"has no number for {' or '.join(_SCORE)}")
    return number


def stages_of(examples: Sequence[Example], scores: Mapping[Bin, float], count: int) -> list[int]:
    """Returns the stage of each example, from 0: that of its bin.

    The bins of the examples are put in the order of falling scores, bins of one score by their names, and cut into
    `count` stages of equally many bins, as far as that comes out even.

    Raises:
        DataError: a bin has no score, or there are fewer bins than stages.
    """
    bins = sorted({bin_of(example) for example in examples})
    if unknown := [bin_ for bin_ in bins if bin_ not in scores]:
        listed = ", ".join(map(_named, unknown[:_NAMED]))
        raise DataError(
            f"data.curriculum.scores says nothing of {counted(len(unknown), 'bin')} of the training data ({listed}): "
            "add them, or leave their samples out by data.categories and data.difficulties"
        )
    if len(bins) < count:
        raise DataError(
            f"data.curriculum.stages: {count} stages need as many bins of difficulty and category, and the training "
            f"data have {len(bins)}"
        )
    bins.sort(key=lambda bin_: -scores[bin_])
    stage = {bin_: place * count // len(bins) for place, bin_ in enumerate(bins)}
    return [stage[bin_of(example)] for example in examples]


def curriculum_order(stages: Sequence[int], drawn: int, per_generation: int, seed: int) -> list[int]:
    """Returns for each of the `drawn` prompts of a run the index of its example; `run_order` with a curriculum.

    The generations of a run are shared out evenly among the stages. In each stage the prompts are drawn from its own
    examples and those of all stages before, one shuffled epoch after the other. The order depends on the arguments
    alone, so that every process and every resumed run has the same.

    Args:
        stages: The stage of each example; every stage from 0 to the highest has one.
        drawn: Number of prompts of the run, a multiple of `per_generation`.
        per_generation: Number of prompts of a generation, which are all of one stage.
        seed: Seed of the shuffles.
    """
    count, generations = max(stages) + 1, drawn // per_generation
    order: list[int] = []
    for stage in range(count):
        open_to_it = [index for index, of in enumerate(stages) if of <= stage]
        end = -(-(stage + 1) * generations // count) * per_generation
        epoch = 0
        while len(order) < end:
            shuffled = open_to_it.copy()
            random.Random(f"{seed} {stage} {epoch}").shuffle(shuffled)
            order += shuffled[: end - len(order)]
            epoch += 1
    return order


def stage_lines(examples: Sequence[Example], stages: Sequence[int]) -> Iterator[str]:
    """Yields a line for each stage: how many examples it adds, and of which bins."""
    for stage in range(max(stages) + 1):
        added = [bin_of(example) for example, of in zip(examples, stages, strict=True) if of == stage]
        bins = sorted(set(added))
        more = f" and {len(bins) - _NAMED} more" if len(bins) > _NAMED else ""
        yield f"stage {stage + 1}: {counted(len(added), 'example')} of {', '.join(map(_named, bins[:_NAMED]))}{more}"


def _named(bin_: Bin) -> str:
    level, discipline = bin_
    return f"{level or 'no difficulty'} / {discipline}"
