"""`python main.py merge`: the records of shards become the record and the report of the one run that they are."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from src.config import Config
from src.config_file import checked
from src.counted import counted, some
from src.errors import MergeError, OutputError
from src.pipeline.evaluation import FinishedRun, report_run
from src.pipeline.merge_checks import StoredShard, absent_shards, check_shards, missing, read_shards
from src.pipeline.output import opened
from src.pipeline.picture_view import PictureView
from src.record.file import FREE_SPACE
from src.record.record import Record
from src.record.results import RunInfo
from src.record.shards import join_run

logger = logging.getLogger(__name__)


def merge(folders: Sequence[Path], output_dir: Path, *, allow_missing: bool = False) -> FinishedRun:
    """Joins the shards of a run and writes its reports; no model is loaded and no shard is changed.

    What comes of all shards is the unbroken run: the same keys, so that `--resume` goes on with it, and the same
    report but for times. Its only attempt takes the time of all attempts of the shards together.

    Args:
        folders: Output directories of the shards, in any order.
        output_dir: Of the whole run. What it holds already is set aside, as a run does it.
        allow_missing: Take what is there where shards are missing or not complete. The run is then not complete.

    Raises:
        MergeError: the shards are no parts of one run, or not all of it.
        OutputError: a record cannot be read, or the output directory not be written.
    """
    shards = read_shards(folders)
    taken = {one.folder.resolve() for one in shards}
    if not taken.isdisjoint((output_dir.resolve(), *output_dir.resolve().parents)):
        raise MergeError(f"{output_dir} is the folder of a shard, or lies in one; name another --output")
    check_shards(shards)
    lacking = missing(shards)
    if lacking and not allow_missing:
        advice = (
            "Run what is missing, and go on by --resume with what is not complete. Or merge what is there: with "
            "--allow-missing, after which the run counts as not complete and can go on by --resume"
        )
        raise MergeError("\n  ".join(["the shards are not the whole run.", *lacking, advice]))
    for line in lacking:
        logger.warning("%s", line)
    try:
        return _joined(shards, _whole_config(shards[0], output_dir))
    except OSError as error:
        raise OutputError(
            f"the whole run cannot be written to {output_dir}: {error.strerror or error}; {FREE_SPACE}"
        ) from error


def _whole_config(shard: StoredShard, output_dir: Path) -> Config:
    """The config that would have made the whole run."""
    stored = shard.info.config
    benchmark = stored["benchmark"] | {"shard": None}
    evaluation = stored["evaluation"] | {"resume_from_checkpoint": False}
    data = stored | {"benchmark": benchmark, "evaluation": evaluation}
    return checked(Config, data, f"the configuration stored in {shard.folder}").moved_to(output_dir)


def _joined(shards: Sequence[StoredShard], config: Config) -> FinishedRun:
    view = PictureView(config.evaluation.images, config.evaluation.output_dir)
    keeps_pictures = config.evaluation.save_generated_images
    with opened(config.evaluation, view) as record:
        run_key = shards[0].whole_key
        record.begin_attempt(_whole_run(shards, config))
        for one in shards:
            gone = join_run(one.folder, one.info.run_key, record, run_key)
            if gone and keeps_pictures:
                logger.warning("%s of shard %s are gone; --resume makes them again", counted(gone, "picture"), one)
        if keeps_pictures:
            _show_pictures(record, view, run_key)
        complete = next((one for one in shards if one.content is not None), shards[0])
        record.note_left_out(run_key, complete.info.left_out)
        seconds = sum(attempt.seconds or 0 for one in shards for attempt in one.info.attempts)
        record.end_attempt(_outcome(shards), seconds, 0, 0)
        return report_run(record, config, with_samples=False)


def _whole_run(shards: Sequence[StoredShard], config: Config) -> RunInfo:
    names = dict.fromkeys(name for one in shards for name in one.info.environment)
    environment = {name: _either(one.info.environment.get(name, "none") for one in shards) for name in names}
    whole = replace(shards[0].info, run_key=shards[0].whole_key, attempts=())
    return replace(whole, config=config.redacted(), environment=environment)


def _either(versions: Iterable[str]) -> str:
    """The version of all shards, or the versions of different ones."""
    return ", ".join(sorted(set(versions)))


def _show_pictures(record: Record, view: PictureView, run_key: str) -> None:
    view.clear(list)
    view.warn_of_strangers()
    for row in record.results(run_key):
        if row.image_path is not None:
            view.show(record.edit_path(row.edit_key or ""), row.category or "", row.sample_id, row.index)


def _outcome(shards: Sequence[StoredShard]) -> str:
    """The outcome of the only attempt; see `Attempt.outcome`."""
    absent = absent_shards(shards)
    unfinished = [one.shard for one in shards if one.lack is not None]
    parts = [
        f"merged without {counted(len(absent), 'shard')} ({some(map(str, absent))})" if absent else "",
        f"{counted(len(unfinished), 'shard')} not complete ({some(map(str, unfinished))})" if unfinished else "",
    ]
    return "; ".join(filter(None, parts)) or "finished"
