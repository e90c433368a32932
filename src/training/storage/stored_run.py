"""The configuration that a training stores, and whether another configuration can go on with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pydantic

from src.config import ClassConfig
from src.errors import ConfigError
from src.redaction import redact
from src.training.config import DataSettings, PolicySettings, TrainingConfig
from src.training.curriculum import bin_scores
from src.training.grpo.precision import policy_precision

STORED_RUN = "config.json"
"""Name of the file within `training.output_dir`."""
_FIXED: Mapping[str, type[pydantic.BaseModel]] = {"policy": PolicySettings, "task": ClassConfig, "data": DataSettings}

_LENGTH = ("max_steps", "num_train_epochs")
"""Fields of `training.grpo` that decide the length of a run."""


def as_run(config: TrainingConfig) -> dict[str, Any]:
    """Returns the configuration as it is stored: without secrets, with the number types that it comes to here.

    With a curriculum it has the scores of all bins, which decide the order and may change where they come from.
    """
    run = config.redacted() | {"precision": asdict(policy_precision(config))}
    if config.data.curriculum is not None:
        run["curriculum"] = [[*bin_, score] for bin_, score in sorted(bin_scores(config.data.curriculum).items())]
    return run


def check_same_run(config: TrainingConfig) -> None:
    """Checks that the run in the output directory, if there is one, has the policy, task, data and seed of `config`.

    A checkpoint goes on exactly only with the same. A setting that is newer than the run has its default there.

    Raises:
        ConfigError: naming the sections that differ.
    """
    stored = config.training.output_dir / STORED_RUN
    if not stored.is_file():
        return
    earlier, now = json.loads(stored.read_text(encoding="utf-8")), as_run(config)
    differ = [name for name, section in _FIXED.items() if _as_today(earlier.get(name), section) != now[name]]
    if earlier.get("precision") != now["precision"]:
        differ.append("precision")
    if earlier["training"]["seed"] != now["training"]["seed"]:
        differ.append("training.seed")
    if config.data.curriculum is not None:
        differ += _moved_stages(earlier, now)
    if differ:
        raise ConfigError(
            f"--resume: {', '.join(differ)} differ from the run in {stored.parent} (see its {STORED_RUN}); "
            "set them back, or start anew in another training.output_dir"
        )


def _moved_stages(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yields what has changed of that by which a curriculum says which step is of which stage."""
    if earlier.get("curriculum") != now["curriculum"]:
        yield "the scores of data.curriculum"
    for name in _LENGTH:
        if earlier["training"]["grpo"].get(name) != now["training"]["grpo"].get(name):
            yield f"training.grpo.{name} (with a curriculum it decides the stage of each step)"


def _as_today(stored: Any, section: type[pydantic.BaseModel]) -> Any:
    """A stored section with the defaults of newer settings; as it is where today's schema does not know it."""
    try:
        return redact(section.model_validate(stored).model_dump(mode="json"))
    except pydantic.ValidationError:
        return stored
