"""`keep_run`: an output directory that holds one training, whose settings say whether it can go on exactly."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from src.errors import ConfigError
from src.training.storage.output_directory import set_aside, write_json
from src.training.storage.stored_run import STORED_RUN

logger = logging.getLogger(__name__)


def keep_run(
    output_dir: Path,
    now: Mapping[str, Any],
    *,
    resume: bool,
    fixed: Collection[str],
    may_change: Collection[str],
    names: Collection[str],
) -> None:
    """Compares a config with that of the training that goes on, or sets an earlier training aside, and stores it.

    Args:
        output_dir: Of the training.
        now: The config without secrets.
        resume: Whether the training goes on.
        fixed: Sections that must be as they were.
        may_change: Settings of section `training` that decide nothing of the result; all others are fixed as well.
        names: Of the files and folders that a fresh training sets aside.

    Raises:
        ConfigError: `resume`, and settings are others than before.
    """
    stored = output_dir / STORED_RUN
    if resume and stored.is_file():
        earlier = json.loads(stored.read_text(encoding="utf-8"))
        differ = [name for name in fixed if earlier.get(name) != now[name]]
        differ += [
            f"training.{name}"
            for name, value in now["training"].items()
            if name not in may_change and earlier.get("training", {}).get(name, value) != value
        ]
        if differ:
            raise ConfigError(
                f"--resume: {', '.join(differ)} differ from the training in {output_dir} (see its {STORED_RUN}); set "
                "them back, or start anew in another training.output_dir"
            )
    elif moved := set_aside(output_dir, [*names, STORED_RUN]):
        logger.warning("%s held an earlier training; it is now in %s", output_dir, moved)
    write_json(stored, now)
