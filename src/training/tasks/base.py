"""`Task`: what the policy is shown, and what is read from its reply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from src.data.sample import BadSample
from src.data.selection import Selection
from src.models.base import ModelParams
from src.models.vlm.prompts import Language
from src.rewards.core.scorer import NoParams
from src.training.tasks.example import Example, Keep, Subject, UnparsableCompletion

if TYPE_CHECKING:
    from src.training.config import TrainingConfig
    from src.training.grpo.reward_function import RewardFunction, RewardSetting
    from src.training.held_out.gain import Gain

__all__ = ["Example", "Keep", "Task", "UnparsableCompletion", "Unreadable"]  # what a task of a plug-in imports

Unreadable = UnparsableCompletion
"""The name of before."""


class Task(ABC, Generic[Subject]):
    """Named by `class_path` in the YAML. Everything that can be wrong with its params is found on construction."""

    Params: ClassVar[type[ModelParams]] = NoParams

    def __init__(self, params: Mapping[str, Any] | None = None, language: Language = "en") -> None:
        self.params: Any = self.Params(**(params or {}))
        self.language = language
        self.rules = ""
        """The scorer's rules of form; the reward function sets them; the policy reads them below the prompt."""

    def completed(self, config: TrainingConfig) -> TrainingConfig:
        """Returns the config with what follows from the task and need not be said; nothing is loaded for it.

        Raises:
            ConfigError: settings that have no meaning with this task.
        """
        return config

    @property
    def instructions(self) -> str:
        """The system message that is the same for all examples, without the rules; empty where a task has none."""
        return ""

    @abstractmethod
    def examples(self, path: str, selection: Selection, keep: Keep) -> Iterator[Example[Subject] | BadSample]:
        """Streams the selected items of a data file.

        Raises:
            DataError: for a file that cannot be read at all.
        """

    @abstractmethod
    def read(self, completion: str) -> str:
        """Returns the instruction or answer that a completion gives.

        Raises:
            UnparsableCompletion: when it gives none.
        """

    @abstractmethod
    def rewards(self, setting: RewardSetting) -> RewardFunction:
        """Builds the reward function of a run; checks its config and loads nothing yet.

        Raises:
            ConfigError: for whatever in the config does not suit the task.
        """

    def check_evaluation(self, config: TrainingConfig, max_new_tokens: int) -> None:
        """Finds what `gains` would find only after training; nothing of the training is there yet.

        Raises:
            EditLoopError: for whatever in `evaluation` could not run.
        """

    def check_held_out(self, config: TrainingConfig, examples: Sequence[Example[Subject]]) -> None:
        """Finds held-out examples about which a scorer of `gains` has nothing to say.

        Raises:
            EditLoopError: when that is true of all of them.
        """

    def gains(self, config: TrainingConfig, examples: Sequence[Example[Subject]], max_new_tokens: int) -> list[Gain]:
        """Measures what training changed on held-out examples, by each scorer; returns nothing where a task cannot.

        Args:
            config: The config of a finished training, whose policy is saved.
            examples: The held-out examples, at least one.
            max_new_tokens: The most tokens of a completion.
        """
        return []
