"""By what edits are measured in the learning proof: the oracle, and the two judges where they exist."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from src.config import DEFAULT_SCORER, ClassConfig, ModelConfig
from src.data.sample import EditSample
from src.pipeline.scorer_plan import ScorerPlan
from src.rewards.core.scorer import EditedSample

ORACLE, JUDGE, PREFERENCE = "oracle", "judge", "preference"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judges:
    """Folders of the judges' weights.

    Attributes:
        judge: The miniature judge, which answers in words.
        preference: The judge that was trained on preferences; not measured by where the folder does not exist.
    """

    judge: Path = Path("assets/miniature/judge")
    preference: Path = Path("outputs/miniature_train_judge/judge")


class Instrument:
    """A scorer, loaded when it is first used.

    Args:
        scorer: Its section of a config.
        reward_model: That of the judge that it asks.
    """

    def __init__(self, scorer: ClassConfig, reward_model: ModelConfig | None = None) -> None:
        self.scorer, self.reward_model = scorer, reward_model
        self._plan = ScorerPlan(scorer, reward_model, {}, "en")
        self._is_loaded = False

    @property
    def key(self) -> str:
        """A digest of all that decides its scores, weights included."""
        return self._plan.digest

    def overrides(self) -> list[str]:
        """The `--set` of a training that is rewarded by this instrument."""
        found = [f"scorer.class_path={self.scorer.class_path}"]
        if self.reward_model is not None:
            found.append(f"reward_model.class_path={self.reward_model.class_path}")
            found.append(f"reward_model.params={_flow(self.reward_model.params)}")
        return found

    def scores(self, samples: Sequence[EditSample], pictures: Sequence[np.ndarray]) -> list[float | None]:
        """Scores edits, uint8 (64, 64, 3) each: 0–10, or None where there is no verdict."""
        scorer = self._plan.scorer
        if not self._is_loaded:
            scorer.load()
            self._is_loaded = True
        edits = [
            EditedSample(sample, sample.given_source.decode(), Image.fromarray(picture))
            for sample, picture in zip(samples, pictures, strict=True)
        ]
        size = scorer.batch_size
        verdicts = [one for start in range(0, len(edits), size) for one in scorer.score(edits[start : start + size])]
        return [verdict.score for verdict in verdicts]


def instruments(judges: Judges) -> dict[str, Instrument]:
    """The instruments by name; without the preference judge where its folder does not exist."""
    found = {
        ORACLE: Instrument(ClassConfig(class_path="src.miniature.oracle_scorer.OracleScorer")),
        JUDGE: Instrument(
            ClassConfig(class_path=DEFAULT_SCORER),
            ModelConfig(
                class_path="src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel",
                params={
                    "model_name": str(judges.judge),
                    "compare_with_reference": False,
                    "score_mode": "expected",
                    "max_new_tokens": 16,
                    "batch_size": 16,
                },
            ),
        ),
    }
    if judges.preference.exists():
        found[PREFERENCE] = Instrument(
            ClassConfig(class_path="src.rewards.scorers.preference.PreferenceScorer"),
            ModelConfig(
                class_path="src.models.reward.implementations.preference.PreferenceRewardModel",
                params={"model_name": str(judges.preference), "batch_size": 16},
            ),
        )
    else:
        logger.warning("%s does not exist: nothing is measured by the preference judge", judges.preference)
    return found


def _flow(params: dict[str, object]) -> str:
    """A mapping as a YAML flow mapping, as `--set` reads it."""
    import json

    return json.dumps(params)
