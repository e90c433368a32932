"""`JudgeHandle`: the run's judge, checked at once, loaded when first needed, shared by all scorers that ask it."""

from __future__ import annotations

import threading
from typing import Any

from src.config import ModelConfig
from src.models.reward.base_reward import BaseRewardModel
from src.registry import build, check_params, load_class


class JudgeHandle:
    """A judge that is known by class and params before its weights are there.

    Raises:
        ConfigError: on construction, for a wrong class path or params.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.judge_class = load_class(config.class_path, BaseRewardModel)  # type: ignore[type-abstract]
        check_params(self.judge_class, config.params, "reward_model.params")
        self.params = config.params
        self._lock = threading.Lock()
        self._model: BaseRewardModel | None = None

    @property
    def name(self) -> str:
        """The judge's class, for messages."""
        return self.judge_class.__name__

    def identity(self) -> dict[str, Any]:
        """What decides the judge's replies; JSON-able.

        Raises:
            ModelError: when its weights are missing.
        """
        return self.judge_class.identity(self.params)

    def devices(self) -> list[str]:
        """Where the judge would compute; empty for one that runs elsewhere."""
        return self.judge_class.devices(self.params)

    def load(self) -> BaseRewardModel:
        """The judge itself; built by the first call.

        Raises:
            ModelError: when it cannot be built.
        """
        with self._lock:
            if self._model is None:
                self._model = build(self.judge_class, self.params)
                self._model.load_to_gpu()
            return self._model

    def unload(self) -> None:
        """Frees the judge's accelerator; a judge that was never asked for, or could not be loaded, holds none."""
        with self._lock:
            if self._model is not None:
                self._model.unload_from_gpu()

    @property
    def model(self) -> BaseRewardModel:
        """The loaded judge."""
        assert self._model is not None, f"{self.name}: load() must be called before scoring"
        return self._model
