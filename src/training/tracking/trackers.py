"""`Tracker`: shown steps as pictures and tables, in the very runs that `report_to` opens for the metrics."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from src.data.image import decode_image
from src.errors import ConfigError
from src.redaction import is_secret
from src.training.tracking.groups import ShownCompletion, ShownGroup

logger = logging.getLogger(__name__)

NAME = "edits"
"""Name of the table, and the beginning of the names of tensorboard's pictures."""
STEP = "train/global_step"
"""The metric that transformers' callbacks log with all others and name as their axis (`WandbCallback`, 5.23)."""
LARGEST_SIDE = 512
"""Longest side of a picture in a tracker, in pixels: a step may show a hundred. The record has them whole."""


class Tracker(Protocol):
    """A place where the pictures of a training are shown."""

    def add(self, step: int, groups: Sequence[ShownGroup]) -> None:
        """Shows the groups of an optimizer step, counted from 1. Called within the step, before its metrics are."""


def open_trackers(report_to: Sequence[str], tensorboard_folder: Path) -> list[Tracker]:
    """Opens the trackers among `report_to` that can show pictures. None of them ever fails.

    Args:
        report_to: As transformers has resolved it: names of its integrations.
        tensorboard_folder: Where tensorboard's pictures go.

    Raises:
        ConfigError: a name is unknown, its package is missing, wandb has no key, or would be told a secret.
    """
    check_trackers(report_to)
    known: dict[str, Tracker] = {
        "tensorboard": Tensorboard(tensorboard_folder),
        "wandb": Wandb(),
        "trackio": Trackio(),
    }
    return [FaultTolerantTracker(name, known[name]) for name in report_to if name in known]


def check_trackers(report_to: Sequence[str], where: str = "training.grpo.report_to") -> None:
    """Finds what the trainer and the first step would find only when all models are loaded.

    Args:
        report_to: As `open_trackers` takes it.
        where: The setting, as messages name it.

    Raises:
        ConfigError: as `open_trackers`.
    """
    from transformers.integrations import get_reporting_integration_callbacks

    try:
        for callback in get_reporting_integration_callbacks(list(report_to)):
            callback()
    except (ValueError, RuntimeError, ImportError) as error:
        raise ConfigError(f"{where}: {error}") from error
    if "wandb" in report_to:
        _check_wandb()


def _check_wandb() -> None:
    import wandb

    try:
        stays_here = wandb.setup().settings.mode in ("offline", "dryrun", "disabled")
        has_key = stays_here or wandb.login(prompt=False, verify=False)
    except (wandb.Error, ValueError) as error:
        raise ConfigError(f"training.grpo.report_to: wandb cannot be used: {error}") from error
    if not has_key:
        raise ConfigError(
            "training.grpo.report_to: wandb has no key: run `wandb login`, set WANDB_API_KEY, or set "
            "WANDB_MODE=offline and send the run later with `wandb sync`"
        )
    words = (word.removeprefix("--set=").partition("=") for word in sys.argv)
    if secret := next((name for name, _, value in words if value and is_secret(name.rpartition(".")[2])), None):
        raise ConfigError(
            f"training.grpo.report_to: wandb stores the command line, which gives {secret}: "
            "write it into the YAML file instead, or into an environment variable"
        )


class FaultTolerantTracker:
    """A tracker whose failures cost a run no more than the pictures there; only the first one is logged."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._name = name
        self._tracker = tracker
        self._has_failed = False

    def add(self, step: int, groups: Sequence[ShownGroup]) -> None:
        """Shows the groups of a step; see `Tracker.add`."""
        try:
            self._tracker.add(step, groups)
        except Exception as error:  # whatever a tracker, a full disk or a network may raise
            if not self._has_failed:
                logger.warning(
                    "%s could not take the edits of step %d: %s: %s. Training goes on, the HTML page shows them; "
                    "further failures are not reported",
                    self._name,
                    step,
                    type(error).__name__,
                    error,
                )
            self._has_failed = True


@dataclass(frozen=True)
class Tensorboard:
    """Each group as one picture, sources then edits, with a text: it knows no tables.

    The pictures are a run of their own, since the callback shares neither its writer nor the name of its folder.
    """

    folder: Path

    def add(self, step: int, groups: Sequence[ShownGroup]) -> None:
        """Shows the groups of a step; see `Tracker.add`."""
        import numpy as np
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(self.folder) as writer:
            for place, group in enumerate(groups):
                pictures = [*group.images, *(one.edit for one in group.completions if one.edit)]
                if pictures:
                    writer.add_image(f"{NAME}/{place}", np.asarray(_side_by_side(pictures)), step, dataformats="HWC")
                captions = [_caption(one) for one in group.completions]
                writer.add_text(f"{NAME}/{place}", "\n\n".join([group.request, *captions]), step)


@dataclass(frozen=True)
class Wandb:
    """A table a step, in the run that the trainer's callback has opened."""

    def add(self, step: int, groups: Sequence[ShownGroup]) -> None:
        """Shows the groups of a step; see `Tracker.add`."""
        import wandb

        if wandb.run is None:
            raise RuntimeError("no run is open")
        # Without wandb's own step, which counts calls and drops what is logged to an earlier one.
        wandb.run.log({NAME: _table(wandb, step, groups), STEP: step})


@dataclass(frozen=True)
class Trackio:
    """A table a step, in the run that the trainer's callback has opened."""

    def add(self, step: int, groups: Sequence[ShownGroup]) -> None:
        """Shows the groups of a step; see `Tracker.add`."""
        import trackio

        trackio.log({NAME: _table(trackio, step, groups), STEP: step})


def _table(library: Any, step: int, groups: Sequence[ShownGroup]) -> Any:
    """A row a completion. Both libraries have the same `Table` and `Image`, as TRL's `log_completions` relies on."""
    rows = [row for group in groups for row in _rows(library, step, group)]
    return library.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])


def _rows(library: Any, step: int, group: ShownGroup) -> Iterator[dict[str, Any]]:
    source = library.Image(_side_by_side(group.images)) if group.images else None
    for one in group.completions:
        yield {
            "step": step,
            "example": group.example_id,
            "category": group.category,
            "request": group.request,
            "source": source,
            "instruction": one.row.reading,
            "edit": library.Image(_side_by_side([one.edit])) if one.edit else None,
            "reward": one.row.reward,
            "status": one.row.status.value if one.row.status else None,
            "reason": one.row.reason,
            "problem": one.row.problem,
        }


def _caption(one: ShownCompletion) -> str:
    row = one.row
    if row.reward is None:
        return f"masked, {row.status.value if row.status else 'unreadable'}: {row.reason or row.problem}"
    return f"{row.reward:.2f}: {row.reading or row.problem}"


def _side_by_side(paths: Sequence[Path]) -> Image.Image:
    """The pictures in a row, as high as the first one, whose larger side is `LARGEST_SIDE` at most."""
    pictures = [decode_image(path.read_bytes()) for path in paths]
    pictures[0].thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    height = pictures[0].height
    scaled = [picture.resize((max(1, picture.width * height // picture.height), height)) for picture in pictures]
    row = Image.new("RGB", (sum(picture.width for picture in scaled), height))
    left = 0
    for picture in scaled:
        row.paste(picture, (left, 0))
        left += picture.width
    return row
