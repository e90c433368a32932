"""`VisionLanguageModel`: whatever answers questions about images, on this machine or behind a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from src.models.vlm.question import Question, Reply


class VisionLanguageModel(ABC):
    """A model that answers questions about images; judges and policies are such models."""

    batch_size: int = 1
    """How many questions `ask` wants at once."""
    max_concurrency: int = 1
    """How many calls of `ask` may run at the same time, each in its own thread (models behind an API)."""

    @abstractmethod
    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        """Answers each question, in order, whatever the order of completion; failures are replies with `error`.

        Args:
            questions: Asked at once, as far as the model can. A question that occurs several times is answered so
                often, each time independently.
            attempt: 0 for the first time; a re-asked question has 1, 2 …, so that sampling takes another seed.

        Raises:
            ModelUnusable: when no question can ever be answered (wrong key, unknown model).
        """
