"""Whether shards are the parts of one and the same run, and which parts of it are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from src.counted import counted, some
from src.errors import MergeError
from src.pipeline.redone import run_seed
from src.record.differences import differing_values
from src.record.record import Record
from src.record.results import RunInfo
from src.record.shards import Content, read_content
from src.reporting.wording import incomplete
from src.shard import Shard

_SHOWN = 5


@dataclass(frozen=True)
class StoredShard:
    """The latest run of an output directory, which is a shard."""

    folder: Path
    info: RunInfo
    whole_key: str
    """The key of the run of which it is a part."""
    shard: Shard
    samples: tuple[str, ...]
    """The ids of all samples that it has read."""
    unjudged: tuple[str, ...]
    """The ids of those that have no verdict."""
    content: Content | None = None
    """What it has read of the benchmark; None where it is not complete."""

    @property
    def lack(self) -> str | None:
        """Says that it is not complete, and how it ended; None for a complete one."""
        attempts = self.info.attempts
        return incomplete(attempts[-1].outcome if attempts else "running", len(self.unjudged))

    def __str__(self) -> str:
        return f"{self.shard} ({self.folder})"


def read_shards(folders: Sequence[Path]) -> list[StoredShard]:
    """The latest run of each folder, ordered by the number of the shard.

    Raises:
        MergeError: a folder is named twice, or its run is no shard.
        OutputError: a folder holds no run that can be read.
    """
    places = Counter(folder.resolve() for folder in folders)
    if twice := [folder for folder in folders if places[folder.resolve()] > 1]:
        raise MergeError(f"{twice[0]} is named twice")
    return sorted(map(_read, folders), key=lambda one: one.shard.number)


def _read(folder: Path) -> StoredShard:
    with closing(Record(folder, for_reading=True)) as record:
        info = record.latest_run()
        whole_key, shard = Shard.of_run_key(info.run_key)
        if shard is None:
            raise MergeError(f"{folder} holds a run that is no shard; only runs made with --shard can be merged")
        verdicts = {row.sample_id: row.status for row in record.results(info.run_key)}
    unjudged = tuple(name for name, status in verdicts.items() if status is None)
    found = StoredShard(folder, info, whole_key, shard, tuple(verdicts), unjudged)
    return found if found.lack else replace(found, content=read_content(folder, info.run_key))


def check_shards(shards: Sequence[StoredShard]) -> None:
    """Checks that the shards are different parts of one run of one benchmark; some may be missing or not complete.

    Raises:
        MergeError: naming the shards, what is wrong, and what to do.
    """
    refused = [*_other_counts(shards), *_other_settings(shards)] or [
        *_doubled(shards),
        *_strangers(shards),
        *_other_contents(shards),
    ]
    if refused:
        raise MergeError("\n  ".join(["the shards cannot be merged.", *refused]))


def missing(shards: Sequence[StoredShard]) -> list[str]:
    """What the shards lack of the whole run, a line each; nothing where they are all of it."""
    lines = [
        f"shard {one}: {one.lack}" + (f"; without a verdict: {some(one.unjudged)}" if one.unjudged else "")
        for one in shards
        if one.lack is not None
    ]
    if absent := absent_shards(shards):
        lines.insert(0, f"missing: {counted(len(absent), 'shard')} ({some(map(str, absent))})")
    contents = [one.content for one in shards if one.content is not None]
    there = sum(len(one.samples) for one in shards)
    if contents and there < contents[0].items:
        number = contents[0].items
        lines.append(f"{number - there} of the {counted(number, 'sample')} of the benchmark are in none of the records")
    return lines


def absent_shards(shards: Sequence[StoredShard]) -> list[Shard]:
    """The shards of the run of which no record is there."""
    there, count = {one.shard.number for one in shards}, shards[0].shard.count
    return [Shard(number, count) for number in range(1, count + 1) if number not in there]


def _other_counts(shards: Sequence[StoredShard]) -> Iterator[str]:
    counts = Counter(one.shard.count for one in shards)
    if len(counts) > 1:
        examples = [next(one for one in shards if one.shard.count == count) for count in counts]
        yield (
            f"the run was cut into different numbers of shards: {some(map(str, examples))}; "
            "merge only those of one number, or run the others again"
        )


def _other_settings(shards: Sequence[StoredShard]) -> Iterator[str]:
    """Settings that decide results or the report, and that differ from those of the first shard."""
    first = shards[0]
    for other in shards[1:]:
        named = [
            f"{path} is {left} in {first} and {right} in {other}"
            for path, left, right in differing_values(_settings(first.info), _settings(other.info))
        ]
        if not named and other.whole_key != first.whole_key:
            named = [f"{other} has another run key than {first}, by a param that records do not show (a secret?)"]
        if named:
            yield "; ".join(named[:_SHOWN]) + ("; …" if len(named) > _SHOWN else "")
            if any(line.startswith("benchmark.data_path is") for line in named):
                yield "Write data_path alike for all shards, best as an absolute path, also where it is the same file"
            yield f"Run shard {other} again with the settings of {first} and --resume, which repeats nothing needlessly"
            return


def _settings(info: RunInfo) -> Mapping[str, Any]:
    config = info.config
    evaluation = {name: config["evaluation"].get(name) for name in ("metrics", "save_generated_images")}
    return {
        "benchmark": {name: value for name, value in config["benchmark"].items() if name != "shard"},
        "editor": info.editor,
        "scorer": info.scorer,
        "prompts": config.get("prompts") or {},
        "seed": run_seed(config),
        "evaluation": evaluation,
    }


def _doubled(shards: Sequence[StoredShard]) -> Iterator[str]:
    for one, other in pairwise(shards):
        if one.shard == other.shard:
            yield f"shard {one.shard} is there twice: {one.folder} and {other.folder}; leave one of them out"


def _strangers(shards: Sequence[StoredShard]) -> Iterator[str]:
    for one in shards:
        if strange := [name for name in one.samples if not one.shard.takes(name)]:
            yield (
                f"shard {one} holds {counted(len(strange), 'sample')} of other shards ({some(strange)}), as another "
                "version of EditLoop cut it: run it again with --resume"
            )


def _other_contents(shards: Sequence[StoredShard]) -> Iterator[str]:
    groups: dict[Content, list[StoredShard]] = {}
    for one in shards:
        if one.content is not None:
            groups.setdefault(one.content, []).append(one)
    if len(groups) > 1:
        yield "the benchmark has changed between the shards:"
        for content, members in groups.items():
            yield f"{counted(content.items, 'sample')}, digest {content.digest:.8}: {some(map(str, members))}"
        yield "Run those of an earlier benchmark again with --resume: only what is new or changed is edited and judged"
