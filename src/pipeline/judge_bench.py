"""`judge_bench`: puts edits that people have compared to a config's scorer, to see how far it agrees with them."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from src.config import Config
from src.config_file import checked, fill_in
from src.counted import counted
from src.data.image import ImageError, content_hash, naming
from src.data.judge_benchmarks import load_judge_benchmark
from src.data.preferences import PreferencePair
from src.data.sample import BadSample, EditSample
from src.data.verdict import Status, Verdict, failed
from src.data.winners import PreferenceFormat
from src.errors import DataError
from src.pipeline.keys import compared_edit_key, judge_bench_key
from src.pipeline.output import exclusive
from src.pipeline.pixels import PixelBudget
from src.pipeline.plan import run_info, scorer_plan
from src.pipeline.scorer_plan import ScorerPlan
from src.pipeline.stages import Observer, Stages
from src.pipeline.tally import Tally
from src.pipeline.work_item import PendingVerdict, WorkItem, work_item
from src.record.record import Record, SampleKeys
from src.record.results import RunInfo, SampleResult
from src.reporting.judge_bench.compared import SIDES, pair_attributes
from src.reporting.judge_bench.report import PAIRWISE
from src.reporting.report import NO_NAME

logger = logging.getLogger(__name__)

FOLDER = "judge-bench"
"""Where the record and the report go, below the config's output directory."""
NO_EDITOR = "src.models.diffusion.implementations.identity.IdentityModel"
"""The editor in the place of one that a config does not name: no editor is asked."""
_CLASS = f"{__name__}.judge_bench"


@dataclass(frozen=True)
class Preferences:
    """Which preferences a judge is measured by."""

    format: PreferenceFormat
    data_path: str
    limit: int | None = None
    """Only the first N rows."""
    language: Literal["en", "zh"] = "en"

    def pairs(self) -> Iterator[PreferencePair | BadSample]:
        """Reads the rows once more, pictures encoded.

        Raises:
            DataError: the file cannot be read, or breaks off.
        """
        rows = load_judge_benchmark(self.format, self.data_path, self.language)
        return itertools.islice(rows, self.limit)

    def facts(self) -> dict[str, Any]:
        """What decides which pairs there are, as the record has it."""
        told = {"format": self.format, "data": self.data_path, "language": self.language}
        return told | ({} if self.limit is None else {"limit": self.limit})


@dataclass(frozen=True)
class JudgeBench:
    """A finished measurement, as its record has it."""

    info: RunInfo
    results: list[SampleResult]


def judge_bench_config(sections: Mapping[str, Any], path: Path, preferences: Preferences) -> Config:
    """The config of a run, with the preferences in the place of its benchmark; an editor need not be named.

    Args:
        sections: What the YAML holds.
        path: The YAML.
        preferences: The data.

    Raises:
        ConfigError: naming each key that is wrong.
    """
    asked = dict(sections)
    asked.setdefault("diffusion_model", {"class_path": NO_EDITOR})
    asked.pop("benchmark", None)
    filled = fill_in(asked, path.parent)
    filled["benchmark"] = {"data_path": preferences.data_path, "language": preferences.language}
    return checked(Config, filled, str(path))


def judge_bench(
    config: Config, preferences: Preferences, tick: Callable[[Tally], None] = lambda tally: None
) -> JudgeBench:
    """Has the config's scorer judge both edits of every pair; it never learns which one people prefer.

    Everything goes into the record of `evaluation.output_dir` at once, and what that holds already is not asked again:
    a measurement that was broken off goes on, and a finished one costs nothing.

    Args:
        config: As `judge_bench_config` makes it.
        preferences: The data.
        tick: Called about ten times a second in the calling thread, for a progress display.

    Raises:
        EditLoopError: for everything that makes the measurement impossible.
        KeyboardInterrupt: after Ctrl-C, when the work in flight is stored.
    """
    plan = scorer_plan(config)
    plan.check_weights()
    plan.check_devices()
    tally = Tally(limit=preferences.limit, seconds_to_wait=plan.scorer.seconds_to_wait)
    output_dir = config.evaluation.output_dir
    with exclusive(output_dir), closing(Record(output_dir)) as record:
        facts = preferences.facts() | {PAIRWISE: plan.scorer.compares_edits}
        key = judge_bench_key(facts, plan.digest, plan.scorer.prompt_versions())
        info = run_info(config, plan, key, {"class": _CLASS} | facts)
        record.begin_attempt(info)
        _Judging(config, preferences, plan, record, info.run_key, tally).run(lambda: tick(tally))
        record.forget_unseen_samples(info.run_key)
        record.end_attempt("finished", tally.seconds, 0, tally.verdicts_reused)
        results = list(record.results(info.run_key))
        measured = JudgeBench(record.latest_run(), results)
    _refuse_nothing(results, preferences)
    return measured


def _refuse_nothing(results: Sequence[SampleResult], preferences: Preferences) -> None:
    """Refuses data of which there is nothing to measure.

    Raises:
        DataError: there is no pair, or the scorer has nothing to say about any.
    """
    usable = [result for result in results if result.status is not Status.BAD_SAMPLE]
    if not usable:
        first = f": {results[0].reason}" if results else ""
        raise DataError(f"{preferences.data_path} holds no pair in the layout of {preferences.format}{first}")
    if all(result.status is Status.NOT_APPLICABLE for result in usable):
        raise DataError(
            f"the scorer can judge none of the {counted(len(usable) // 2, 'pair')} of {preferences.data_path}: "
            f"{usable[0].reason}. Categories of public sets are none of this project's: name a scorer that asks about "
            "every edit alike, such as `scorer: {protocol: editscore@2025-11}` or "
            "`scorer: {class_path: src.rewards.scorers.vie.VIEScorer}`, or give each category a prompt in `prompts`"
        )


class _Judging(Observer):
    """Puts every edit that the record holds no verdict of to the scorer."""

    def __init__(
        self, config: Config, preferences: Preferences, plan: ScorerPlan, record: Record, run_key: str, tally: Tally
    ) -> None:
        self._preferences, self._plan, self._record, self._run_key = preferences, plan, record, run_key
        self._tally = tally
        self._asked: set[str] = set()
        pixels = PixelBudget(config.runtime.decoded_megabytes)
        self._stages = Stages(record, plan.scorer, self, pixels, load_scorer=self._load_scorer)

    def run(self, tick: Callable[[], None]) -> None:
        """Judges all pairs; `tick` is called about ten times a second."""

        def read(stopping: threading.Event) -> Iterator[WorkItem]:
            for pair in self._preferences.pairs():
                if stopping.is_set():
                    return
                self._tally.add(read=1)
                if isinstance(pair, BadSample):
                    self._refuse(pair)
                    continue
                try:
                    yield from self._items(pair)
                except ImageError as error:
                    self._refuse(BadSample(pair.pair_id, pair.index, pair.category, str(error)))

        self._stages.run(read, tick, edits=False)

    def _load_scorer(self) -> None:
        with self._tally.while_loading(self._plan.name):
            self._plan.scorer.load()

    def _refuse(self, bad: BadSample) -> None:
        logger.warning("bad pair %s: %s", bad.sample_id, bad.reason)
        self._record.add_bad_sample(self._run_key, replace(bad, index=2 * bad.index))
        self._tally.add(bad=1)

    def _items(self, pair: PreferencePair) -> list[WorkItem]:
        """Notes both edits of a pair, and gives what is to be asked about them.

        Raises:
            ImageError: a picture cannot be read; then nothing is noted.
        """
        edits = list(zip(SIDES, pair.edits, pair.edits[::-1], strict=True))
        with naming("source"):
            source_hash = content_hash(pair.source.read_bytes())
        items: dict[str, WorkItem] = {}
        noted: list[tuple[EditSample, SampleKeys, PendingVerdict]] = []
        for place, (side, edit, rival) in enumerate(edits):
            sample = EditSample(
                sample_id=f"{pair.pair_id}/{side}",
                index=2 * pair.index + place,
                category=pair.category or NO_NAME,
                instruction=pair.instruction,
                description="",
                source=pair.source,
                rationale=pair.rationale,
                reference=rival if self._plan.scorer.compares_edits else None,
                attributes=pair_attributes(pair, side),
            )
            with naming(f"edited ({side})"):
                key = compared_edit_key(source_hash, content_hash(edit.read_bytes()), pair.instruction)
                pending = self._plan.pending_verdict(sample, key)
                noted.append((sample, SampleKeys(0, source_hash, key, pending.verdict_key), pending))
                if self._is_to_ask(pending) and pending.verdict_key not in items:
                    pictures = (pair.source.decode(), edit.decode())
                    items[pending.verdict_key] = work_item(sample, key, [pending], pictures=pictures)
        self._note(noted)
        self._asked |= items.keys()
        return list(items.values())

    def _is_to_ask(self, pending: PendingVerdict) -> bool:
        """Whether the verdict is neither known nor on its way."""
        if pending.inapplicable or pending.verdict_key in self._asked:
            return False
        return not self._record.has_verdict(pending.verdict_key)

    def _note(self, noted: Iterable[tuple[EditSample, SampleKeys, PendingVerdict]]) -> None:
        for sample, keys, pending in noted:
            self._record.add_sample(self._run_key, sample, keys)
            if pending.inapplicable:
                self._record.add_verdict(keys.verdict_key, failed(Status.NOT_APPLICABLE, pending.inapplicable))
                self._tally.add(verdicts_failed=1)
            elif self._record.has_verdict(keys.verdict_key):
                self._tally.add(verdicts_reused=1)

    def judged(self, item: WorkItem, pending: PendingVerdict, verdict: Verdict, seconds: float) -> None:
        """Counts the verdict."""
        self._tally.add_verdict(verdict)
