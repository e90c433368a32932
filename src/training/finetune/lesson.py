"""`Lesson`: what a supervised training needs of the thing that is taught."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

IGNORED = -100
"""The label of a token that is not learned, as transformers has it."""


@dataclass(frozen=True)
class TaughtData:
    """The rows of one epoch, or of the held-out data."""

    rows: Sequence[Any]
    """What `Lesson.collate` makes batches of; a row is made when it is asked for."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Why items are left out, by their ids."""


class Lesson(ABC):
    """A model's kind, with the data that it is taught. Nothing is loaded before `load`."""

    LOADS_WHOLE: ClassVar[bool] = False
    """Whether each process loads the whole model, which ZeRO-3 shards afterwards."""

    @abstractmethod
    def check_model(self) -> None:
        """Looks at the model's files without its weights.

        Raises:
            EditLoopError: what is wrong with them, or with the adapter.
        """

    @abstractmethod
    def read(self, folder: Path) -> tuple[TaughtData, TaughtData | None]:
        """Reads what is trained on, and what is held out; `folder` takes pictures that have to be kept.

        Raises:
            DataError: nothing to train on, or data that the model cannot be taught.
        """

    @abstractmethod
    def lines(self, train: TaughtData, held_out: TaughtData | None) -> Iterator[str]:
        """What `check` says of the data."""

    @abstractmethod
    def load(self, number_type: str, checkpoint: Path | None) -> tuple[Any, Any]:
        """The model, with the weights of the checkpoint where there is one, and its processor.

        Raises:
            ModelError: it cannot be loaded.
        """

    def finish(self, policy: Path) -> None:
        """Does what is left to do with the trained weights in their folder; called once, by the first process."""

    @abstractmethod
    def collate(self, rows: Sequence[Any]) -> Mapping[str, Any]:
        """The model's arguments for a batch: labels are `IGNORED` but for the tokens of the answers."""
