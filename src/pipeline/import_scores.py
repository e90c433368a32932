"""`import_scores`: scores of a benchmark's official script become a run of its own, and are aggregated here."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src import __version__
from src.benchmark_layouts import BenchmarkLayout
from src.config import Config, parse_config
from src.counted import counted, some
from src.data.benchmarks.official_scores import OfficialScore, Scores, read_official_scores, row_name
from src.data.image import ImageError
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.data.verdict import Status, Verdict, failed
from src.models.vlm.grammar.parsing import UnparsableReply
from src.pipeline.evaluation import FinishedRun, report_run
from src.pipeline.keys import digest
from src.pipeline.output import opened
from src.pipeline.picture_view import PictureView
from src.record.record import Record, SampleKeys
from src.record.results import RunInfo
from src.rewards.scorers.protocol import PROTOCOLS
from src.rewards.scorers.protocols.protocol import OWN_SCORE, Protocol

logger = logging.getLogger(__name__)

IMPORTED = "imported scores"
"""The class of scorer and editor of a run that neither edited nor judged."""


@dataclass(frozen=True)
class Imported:
    """What is imported."""

    scores: Path
    """The score file or folder; see `read_official_scores`."""
    layout: BenchmarkLayout
    """Of the benchmark, and of its score files."""
    data_path: str
    """The benchmark, whose samples the scores are of."""
    name: str
    """What the editor is called in reports."""
    benchmark: Mapping[str, Any]
    """Further keys of the section `benchmark`, such as `language`."""
    as_published: bool = False
    """Aggregate with the defects of the official script."""


def import_scores(imported: Imported, output_dir: Path) -> FinishedRun:
    """Makes a record of scores of others, and writes its reports; nothing is edited and no judge is asked.

    A score that is no number leaves its sample without one, with the reason. Samples without a row are counted alike.

    Raises:
        DataError: benchmark or scores cannot be read.
        OutputError: the output directory cannot be written.
    """
    protocol = next(one for one in PROTOCOLS.values() if one.facts.short_name == imported.layout)
    scores = read_official_scores(imported.layout, imported.scores)
    section = {"data_path": imported.data_path, "format": imported.layout, **imported.benchmark}
    config = parse_config(
        {
            "benchmark": section,
            "diffusion_model": {"class_path": f"imported.{imported.layout}", "params": {"name": imported.name}},
            "evaluation": {"output_dir": str(output_dir), "save_generated_images": False},
        },
        "the options of import-scores",
    )
    samples = load_samples(imported.data_path, Selection.of(config.benchmark))
    info = _info(config, protocol, imported)
    with opened(config.evaluation, PictureView(config.evaluation.images, output_dir)) as record:
        record.begin_attempt(info)
        known: set[str] = set()
        for sample in samples:
            row = row_name(imported.layout, sample)
            known.add(row)
            _add(record, info.run_key, sample, scores.get(row), protocol, as_published=imported.as_published)
        _say_what_is_foreign(scores, known, imported)
        record.end_attempt("finished", 0.0, 0, 0)
        return report_run(record, config, with_samples=False)


def _add(
    record: Record,
    run_key: str,
    sample: EditSample | BadSample,
    score: OfficialScore | None,
    protocol: Protocol,
    *,
    as_published: bool,
) -> None:
    try:
        if isinstance(sample, BadSample):
            raise ImageError(sample.reason)
        source = sample.source_key(sample.source.read_bytes() if sample.source else None)
    except ImageError as error:
        bad = sample if isinstance(sample, BadSample) else BadSample.of(sample, f"source image: {error}")
        record.add_bad_sample(run_key, bad)
        return
    key = digest(["imported", run_key, sample.sample_id])
    record.add_sample(run_key, sample, SampleKeys(0, source, key, key))
    record.add_verdict(key, _verdict(sample, score, protocol, as_published=as_published))


def _verdict(sample: EditSample, score: OfficialScore | None, protocol: Protocol, *, as_published: bool) -> Verdict:
    """What follows from a score by the protocol; a failure where a value is no number or not there."""
    if reason := protocol.inapplicable(sample):
        return failed(Status.NOT_APPLICABLE, reason)
    if score is None:
        return failed(Status.JUDGE_FAILED, "the score file has no row of this sample")
    if "score" in score.problems:
        return failed(Status.JUDGE_FAILED, score.problems["score"])
    if score.score is not None:
        return _scored(protocol, score.score, {})
    calls = protocol.calls(sample, as_published=as_published)
    values = dict(score.values)
    if score.reply:
        try:
            values = dict(calls[0].reply.read(score.reply))
        except UnparsableReply as error:
            return Verdict(Status.UNPARSABLE, reason=str(error), replies=(score.reply,))
    wanted = [name for call in calls for name in call.dimensions]
    lacking = [score.problems.get(name, f"there is no {name}") for name in wanted if name not in values]
    shown = {} if score.are_minima else {name: values[name] for name in wanted if name in values}
    if lacking:
        reason = "; ".join(dict.fromkeys(lacking))
        return Verdict(Status.JUDGE_FAILED, reason=reason, dimensions=dict(shown))
    used = {name: values[name] for name in wanted}
    own = protocol.own_score(sample, used, as_published=as_published)
    replies = (score.reply,) if score.reply else ()
    return _scored(protocol, own, {**shown, **protocol.derived(used)}, replies)


def _scored(protocol: Protocol, own: float, values: Mapping[str, float], replies: tuple[str, ...] = ()) -> Verdict:
    dimensions: dict[str, float | None] = {**values, OWN_SCORE: own}
    return Verdict(Status.SCORED, protocol.facts.of_ten(own), dimensions, replies=replies)


def _say_what_is_foreign(scores: Scores, known: Collection[str], imported: Imported) -> None:
    if foreign := [name for name in scores if name not in known]:
        logger.warning(
            "%s: %s of no sample of %s in this selection (%s) and left out; is it of another language or version?",
            *(imported.scores, counted(len(foreign), "row is", "rows are"), imported.data_path, some(foreign)),
        )


def _info(config: Config, protocol: Protocol, imported: Imported) -> RunInfo:
    files = sorted(path for path in imported.scores.rglob("*") if path.is_file()) if imported.scores.is_dir() else []
    content = hashlib.sha256()
    for path in files or [imported.scores]:
        content.update(path.read_bytes())
    scorer = {
        "class": IMPORTED,
        "version": "1",
        "params": {"as_published": imported.as_published, "sampling": "protocol"},
        "protocol": {"name": protocol.facts.name, "version": protocol.VERSION, "imported": content.hexdigest()},
        "prompts": {},
    }
    editor = {"class": IMPORTED, "version": "1", "params": {"name": imported.name}}
    benchmark = config.benchmark.model_dump(mode="json", exclude={"follow_links", "shard", "image_dir"})
    key = digest(["imported", benchmark, scorer, editor])
    return RunInfo(key, config.redacted(), editor, scorer, {"editloop": __version__})
