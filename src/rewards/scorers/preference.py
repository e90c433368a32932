"""`PreferenceScorer`: the score of a judge that was trained on preferences, which is told the sample's rationale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.data.sample import EditSample
from src.data.verdict import Verdict
from src.errors import ConfigError
from src.models.reward.base_reward import JudgeRequest
from src.models.reward.implementations.preference import PreferenceRewardModel
from src.rewards.core.plain_judging import judge_all
from src.rewards.core.scorer import EditedSample, Scorer, ScorerSetting


class PreferenceScorer(Scorer):
    """Asks a `PreferenceRewardModel` about source, edit, instruction and rationale.

    `CategoryScorer` asks the same judge without the rationale.

    Raises:
        ConfigError: on construction, without a judge that was trained on preferences.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        self._handle = self._require_judge()
        if not issubclass(self._handle.model_class, PreferenceRewardModel):
            raise ConfigError(
                f"PreferenceScorer asks a PreferenceRewardModel, and reward_model names {self._handle.name}: name a "
                "judge that `python main.py train-judge` made, or use CategoryScorer"
            )

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """How many edits the judge, once it is loaded, wants at once."""
        return self._handle.model.batch_size

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts, the judge's identity included."""
        return super().identity() | {"judge": self._handle.identity()}

    def judge_calls(self, sample: EditSample) -> int:
        """One question an edit."""
        return 1

    def question(self, sample: EditSample) -> Any:
        """The instruction and the rationale."""
        return [sample.instruction, sample.rationale]

    def load(self) -> None:
        """Builds the judge."""
        self._handle.load()

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """Returns one verdict for each edit, in order."""
        return judge_all(
            self._handle.model,
            [
                JudgeRequest(
                    edited_image=edit.edited,
                    original_image=edit.given_source,
                    original_description=edit.sample.description,
                    edit_instruction=edit.sample.instruction,
                    rationale=edit.sample.rationale,
                )
                for edit in batch
            ],
        )
