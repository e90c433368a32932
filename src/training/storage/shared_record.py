"""Joins the records that earlier runs left under other names, before the processes of a machine open theirs."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from src.record.record import RECORD_NAME
from src.training.grpo.processes import Processes
from src.training.storage.record import TrainingRecord

logger = logging.getLogger(__name__)

_NAME = re.compile(r"(rank|machine)(\d+)")


def prepare_shared_record(output_dir: Path, processes: Processes) -> None:
    """Makes this machine's record ready; called by its first process alone, while nobody else has it open.

    Records of single processes (`record/rank0`, as runs once left them) and of machines that have no part in this run
    are taken over and removed. Claims of a run that was killed are forgotten.
    """
    folder = output_dir / processes.folder
    with closing(TrainingRecord(folder)) as record:
        record.end_claims()
        for other, rank in _left_behind(output_dir / "record", processes):
            logger.info("taking over %s", other)
            with closing(TrainingRecord(other)) as old:
                record.adopt(old)
                record.adopt_completions(old, rank)
            shutil.rmtree(other)


def _left_behind(folder: Path, processes: Processes) -> Iterator[tuple[Path, int | None]]:
    """Yields the records that no process opens any more, with the rank of those that belonged to a single process."""
    machines = len(set(processes.machines))
    for path in sorted(folder.glob(f"*/{RECORD_NAME}")):
        if (match := _NAME.fullmatch(path.parent.name)) is None:
            continue
        number = int(match[2])
        if match[1] == "machine":
            if number >= machines and processes.is_first:
                yield path.parent, None
        elif number in processes.here or (processes.is_first and number >= processes.count):
            yield path.parent, number
