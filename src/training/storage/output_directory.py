"""The output directory of a training: kept for one run, set aside for a new one, checked before one goes on."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from src.errors import OutputError
from src.pipeline.output import exclusive
from src.training.config import POLICY, TrainingConfig
from src.training.grpo.processes import Processes
from src.training.grpo.settings import CHECKPOINTS
from src.training.storage.shared_record import prepare_shared_record
from src.training.storage.stored_run import STORED_RUN, as_run, check_same_run

logger = logging.getLogger(__name__)

HISTORY = "history.json"
"""JSON list of the metrics of each logged step."""
GAINS = "gains.json"
"""JSON list of the differences on held-out samples, one entry for each scorer."""
ANOTHER_DIRECTORY = "--set training.output_dir=DIR"
"""By what a command that trains chooses another directory."""
_FOLDERS = (CHECKPOINTS, POLICY, "record", "images", "shown", "evaluation")
_FILES = (STORED_RUN, "held_out.jsonl", HISTORY, GAINS)


@contextmanager
def output_directory(config: TrainingConfig, processes: Processes, *, resume: bool) -> Iterator[None]:
    """Holds `training.output_dir` for this run alone; the first process prepares it for all.

    Raises:
        ConfigError: the run that is to go on had another policy, task, data, precision or seed.
        OutputError: another run has the directory, or it cannot be written.
    """
    output_dir = config.training.output_dir
    with exclusive(output_dir, ANOTHER_DIRECTORY) if processes.is_first else nullcontext():
        if processes.is_first:
            _prepare(config, resume=resume)
        processes.wait()
        if processes.is_first_here:
            prepare_shared_record(output_dir, processes)
        processes.wait()
        yield


def write_json(path: Path, data: Any) -> None:
    """Writes indented JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; free space, then --resume") from error


def write_history(output_dir: Path, logged: Sequence[Mapping[str, Any]]) -> None:
    """Writes what a trainer has logged to `history.json`, as an unbroken training would have logged it.

    The trainer's `train_loss` is left out: after a resume it divides the losses since by all steps.

    Raises:
        OutputError: the file cannot be written.
    """
    write_json(output_dir / HISTORY, [{key: one[key] for key in one if key != "train_loss"} for one in logged])


def _prepare(config: TrainingConfig, *, resume: bool) -> None:
    output_dir = config.training.output_dir
    if resume:
        check_same_run(config)
    elif moved := set_aside(output_dir, (*_FOLDERS, *_FILES)):
        logger.warning("%s held an earlier run; it is now in %s", output_dir, moved)
    write_json(output_dir / STORED_RUN, as_run(config))


def set_aside(output_dir: Path, names: Iterable[str]) -> Path | None:
    """Moves what an earlier run left under these names into `previous/<time>/`, so that a fresh one loses nothing."""
    found = [output_dir / name for name in names if (output_dir / name).exists()]
    if not found:
        return None
    target = output_dir / "previous" / datetime.now().strftime("%Y%m%d_%H%M%S_%f")
    target.mkdir(parents=True)
    for path in found:
        shutil.move(path, target / path.name)
    return target


def require_writable(output_dir: Path) -> None:
    """Looks at the directory, or at the nearest one above that exists; nothing is created.

    Raises:
        OutputError: it cannot be written.
    """
    there = next(path for path in (output_dir.absolute(), *output_dir.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"training.output_dir {output_dir} cannot be written: {there} is no directory of yours")
