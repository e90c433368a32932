"""What an audit would ask, counted before anything is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from src.audit.cutting import cut_config
from src.audit.probes import TARGET, probes
from src.audit.reading import ProbeReader
from src.audit.targets import targets_of
from src.config import Config
from src.counted import counted
from src.data.sample import BadSample
from src.models.vlm.asking import MOST_ATTEMPTS
from src.pipeline.plan import scorer_plan
from src.pipeline.tally import Tally
from src.record.record import RECORD_NAME, Record


def plan_lines(config: Config, edits: Path | None = None, samples: int | None = None) -> Iterator[str]:
    """Lines that say how many questions an audit puts to scorer and judge; nothing is loaded, asked or written.

    Args:
        config: As for `audit`.
        edits: As for `audit`.
        samples: As for `audit`.

    Raises:
        EditLoopError: for whatever would stop the audit.
    """
    plan = scorer_plan(config)
    plan.check_weights()
    cut = cut_config(config, plan)
    bad: list[BadSample] = []
    reader = ProbeReader(config, plan, targets_of(edits), samples, bad.append, Tally())
    output_dir = config.evaluation.output_dir
    record = Record(output_dir, for_reading=True) if (output_dir / RECORD_NAME).is_file() else None
    seen: set[str] = set()
    probed: set[str] = set()
    counts: Counter[str] = Counter()
    try:
        for asked in (asked for group in reader.groups(probes) for asked in group):
            sample, key = asked.probe.sample, asked.pending.verdict_key
            calls = plan.scorer.judge_calls(sample)
            probed.add(sample.sample_id)
            if asked.probe.name == TARGET and isinstance(cut, Config):
                counts["cut"] += calls
            if key not in seen and not asked.pending.inapplicable:
                seen.add(key)
                is_known = record is not None and record.has_verdict(key)
                counts["known"] += is_known
                counts["judgements"] += not is_known
                counts["calls"] += 0 if is_known else calls
    finally:
        if record is not None:
            record.close()
    yield f"samples  {counted(len(probed), 'is', 'are')} probed, {counted(len(bad), 'is', 'are')} bad"
    wanted = counted(counts["judgements"], "judgement is", "judgements are")
    yield f"ask      {wanted} to be made, {counted(counts['known'], 'is', 'are')} in the record"
    yield f"calls    {counted(counts['calls'], 'question')} to the judge; what is asked again comes on top"
    if counts["cut"]:
        most = counts["cut"] * MOST_ATTEMPTS
        yield f"cut      at most {most} more to the judge with replies that are cut off, which is loaded for it"
