"""`JudgeHandle`: the run's judge, checked at once, loaded when first needed, shared by all scorers that ask it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from src.config import ModelConfig
from src.errors import ConfigError
from src.models.model_handle import ModelHandle
from src.models.reward.base_reward import BaseRewardModel
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.registry import build


class JudgeHandle(ModelHandle[BaseRewardModel]):
    """A judge that is known by class and params before its weights are there.

    Raises:
        ConfigError: on construction, for a wrong class path or params.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, BaseRewardModel, "reward_model")  # type: ignore[type-abstract]
        self._lock = threading.Lock()
        self._model: BaseRewardModel | None = None
        self.load_elsewhere: Callable[[], BaseRewardModel] | None = None
        """Gives a judge that runs in other processes, in the place of one in this process."""

    def check_repeats(self, repeats: int, where: str = "scorer.params.repeats") -> None:
        """Refuses to repeat questions to a judge that would only say the same again.

        Raises:
            ConfigError: the judge decodes greedily.
        """
        greedy = issubclass(self.model_class, VisionLanguageJudge) and self.model_class.repeats_are_equal(self.params)
        if repeats > 1 and greedy:
            raise ConfigError(
                f"{where}: {repeats} replies of {self.name} to one question are one reply, {repeats} times paid, as it "
                "has temperature 0: set reward_model.params.temperature above 0, or repeats to 1"
            )

    def load(self) -> BaseRewardModel:
        """Gives the judge itself, which the first call builds.

        Raises:
            ModelError: when it cannot be built.
        """
        with self._lock:
            if self._model is None and self.load_elsewhere is not None:
                self._model = self.load_elsewhere()
            elif self._model is None:
                self._model = build(self.model_class, self.params)
                self._model.load_to_gpu()
            return self._model

    def devices(self) -> list[str]:
        """Names the devices of this process on which the judge would compute; none for one that runs elsewhere."""
        return [] if self.load_elsewhere is not None else super().devices()

    def unload(self) -> None:
        """Frees the judge's accelerator; a judge that was never asked for, or could not be loaded, holds none."""
        with self._lock:
            if self._model is not None:
                self._model.unload_from_gpu()

    def seconds_to_wait(self) -> float:
        """Seconds that the judge's server has asked it to wait yet; 0 for a judge that is not loaded."""
        return self._model.seconds_to_wait() if self._model is not None else 0.0

    def stop_waiting(self) -> None:
        """Breaks off the judge's pauses before further tries."""
        if self._model is not None:
            self._model.stop_waiting()

    @property
    def model(self) -> BaseRewardModel:
        """The loaded judge."""
        assert self._model is not None, f"{self.name}: load() must be called before scoring"
        return self._model
