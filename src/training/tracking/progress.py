"""`TrainingProgress`: one line on the console while a policy is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from transformers import TrainerCallback

_SHOWN = {
    "reward": "reward",
    "loss": "loss",
    "eval_loss": "held-out loss",
    "completions/unparsable": "unparsable",
    "statuses/edit_failed": "edits failed",
}


class TrainingProgress:
    """Steps done, time left, and the latest reward, loss and failures."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
        )
        self._task = self._bar.add_task("", total=None, visible=False)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draws the line within the block, as long as steps are being done."""
        with self._bar:
            yield

    def callback(self) -> TrainerCallback:
        """Returns a callback that moves the line by a trainer's steps."""
        from transformers import TrainerCallback

        bar, task = self._bar, self._task

        class Move(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                bar.update(
                    task, total=state.max_steps, completed=state.global_step, visible=state.is_world_process_zero
                )

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                bar.update(task, completed=state.global_step)

            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
                figures = {label: (logs or {}).get(name) for name, label in _SHOWN.items()}
                known = [f"{label} {value:.2f}" for label, value in figures.items() if value is not None]
                if known:
                    bar.update(task, description=", ".join(known))

            def on_train_end(self, *args: Any, **kwargs: Any) -> None:
                bar.update(task, visible=False)

        return Move()
