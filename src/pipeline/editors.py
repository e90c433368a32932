"""`Editors`: whatever makes edits for the stages — a model in threads of this process, or actors of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.batching import EditFailure
from src.pipeline.editing import PendingEdit, edit_within
from src.pipeline.pixels import PixelBudget


class Editors(Protocol):
    """Makes edits. The record alone decides what is edited; a failure is returned and never repeated here."""

    @property
    def batch_size(self) -> int:
        """How many edits one call of `edit` wants; the first to ask may wait until a model is loaded.

        Raises:
            ModelError: no model can be loaded.
        """

    @property
    def max_concurrency(self) -> int:
        """How many threads may call `edit` at the same time."""

    @property
    def at_work(self) -> int:
        """How many calls are worked on at the same time at most; further ones wait for their turn."""

    def edit(self, edits: Sequence[PendingEdit], pixels: PixelBudget) -> list[EditFailure | None]:
        """Makes edits; see `edit_within`.

        Raises:
            ModelUnusable: no edit can be made at all.
        """

    def seconds_to_wait(self) -> float:
        """Seconds that a server has asked to wait yet, for displays."""

    def stop_waiting(self) -> None:
        """Breaks off all waiting, as the run stops: whoever waits in `edit` raises `WaitBrokenOff`."""

    def close(self) -> None:
        """Frees the models."""


class LocalEditor:
    """A model in this process, which works in the thread that calls it."""

    def __init__(self, model: BaseDiffusionModel) -> None:
        self.model = model

    @property
    def batch_size(self) -> int:
        """The model's own."""
        return self.model.batch_size

    @property
    def max_concurrency(self) -> int:
        """The model's own."""
        return self.model.max_concurrency

    @property
    def at_work(self) -> int:
        """Every call is worked on at once."""
        return self.model.max_concurrency

    def edit(self, edits: Sequence[PendingEdit], pixels: PixelBudget) -> list[EditFailure | None]:
        """Makes edits in order, as many at a time as the budget allows; see `edit_within`."""
        return edit_within(pixels, self.model, edits)

    def seconds_to_wait(self) -> float:
        """The model's own."""
        return self.model.seconds_to_wait()

    def stop_waiting(self) -> None:
        """Breaks off the model's pauses."""
        self.model.stop_waiting()

    def close(self) -> None:
        """Frees the model's accelerator."""
        self.model.unload_from_gpu()
