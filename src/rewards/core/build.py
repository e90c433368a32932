"""`build_scorer`: from the `scorer` section of a config to a checked scorer."""

from __future__ import annotations

from src.config import ModelConfig
from src.registry import check_params, load_class
from src.rewards.core.scorer import Scorer, ScorerSetting


def build_scorer(config: ModelConfig, setting: ScorerSetting, where: str = "scorer") -> Scorer:
    """The scorer that `config` names; no weights are loaded.

    Args:
        config: Class path and params.
        setting: Judge, inline prompts and language of the run.
        where: The part of the config that this is, for messages.

    Raises:
        ConfigError: for a wrong class path, wrong params, or a judge that is missing or cannot do what is asked.
    """
    scorer_class = load_class(config.class_path, Scorer)  # type: ignore[type-abstract]
    check_params(scorer_class, config.params, f"{where}.params")
    return scorer_class(config.params, setting)
