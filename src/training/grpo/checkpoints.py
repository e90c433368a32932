"""Checkpoints that a run can go on from exactly: which one is whole, and one for a run that has to stop."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainerCallback
    from trl import GRPOTrainer

logger = logging.getLogger(__name__)

_UNFOUNDED = ("keys in the checkpoint model loaded", "All reward functions returned None")


def latest_checkpoint(folder: Path) -> Path | None:
    """Returns the newest whole checkpoint; the trainer writes its state last, so that a torn one lacks it or a part."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return max(whole, key=lambda path: int(path.name.partition("-")[2]), default=None)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def whole_model(checkpoint: Path | None) -> Path | None:
    """Returns the checkpoint if it holds a whole model as `save_pretrained` writes it, not an adapter or shards."""
    holds_model = checkpoint is not None and any(
        (checkpoint / name).is_file() for name in ("model.safetensors", "model.safetensors.index.json")
    )
    return checkpoint if holds_model else None


@contextmanager
def unfounded_warnings_hidden() -> Iterator[None]:
    """Hides two warnings of the trainers.

    One is about a whole model's weights, which `load_policy` has loaded; see there. The other quotes a whole row that
    got no reward, pictures and all tokens: such rows are masked, counted and recorded with their reasons.
    """

    def is_founded(record: logging.LogRecord) -> bool:
        return not any(words in record.getMessage() for words in _UNFOUNDED)

    logs = [logging.getLogger(name) for name in ("transformers.trainer", "trl.trainer.grpo_trainer")]
    for log in logs:
        log.addFilter(is_founded)
    try:
        yield
    finally:
        for log in logs:
            log.removeFilter(is_founded)


class StepRandomState:
    """Remembers all random states at the start of each step, from which its completions follow."""

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}

    def remember(self) -> None:
        """Stores the states as they are now."""
        import numpy as np
        import torch

        self._states = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def restore(self) -> None:
        """Restores the states that were stored last."""
        import numpy as np
        import torch

        random.setstate(self._states["python"])
        np.random.set_state(self._states["numpy"])
        torch.set_rng_state(self._states["torch"])
        torch.cuda.set_rng_state_all(self._states["cuda"])

    def callback(self) -> TrainerCallback:
        """Returns a callback of the trainer that stores the states at the start of each step."""
        from transformers import TrainerCallback

        start = self

        class Remember(TrainerCallback):
            def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
                start.remember()

        return Remember()

    def save(self, trainer: GRPOTrainer) -> Path | None:
        """Saves a checkpoint as of the start of a step that was begun and got no rewards, and returns its folder.

        Nothing is written before the first finished step: there is nothing to go on from yet.
        """
        folder = Path(trainer.args.output_dir) / f"checkpoint-{trainer.state.global_step}"
        if trainer.state.global_step == 0 or (folder / "trainer_state.json").exists():
            return None
        self.restore()
        # The trainer has no public way to write a checkpoint outside its loop (transformers 5.23).
        trainer._save_checkpoint(trainer.model, trial=None)
        return folder
