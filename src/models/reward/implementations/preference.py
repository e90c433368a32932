"""`PreferenceRewardModel`: a judge that was trained on preferences, by `python main.py train-judge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.errors import ModelError
from src.models.base import ModelParams
from src.models.device import pick_device
from src.models.reward.base_reward import Judgement, JudgeRequest
from src.models.reward.forward_judge import ForwardJudge
from src.models.reward.trained_preference import (
    PreferenceDescription,
    load_trained,
    preference_question,
    prepare_trained,
)
from src.models.vlm.question_encoder import QuestionEncoder
from src.models.vlm.stored_architecture import require_vision_language
from src.models.vlm.transformers_loading import load_checkpoint
from src.models.weights import is_local, resolve_revision


class _BaseWeights(ModelParams):
    """What `load_checkpoint` needs to know of the weights below a preference judge."""

    model_name: str
    revision: str | None
    dtype: str
    trust_remote_code: bool
    use_flash_attention: bool


class PreferenceRewardModel(ForwardJudge):
    """A vision-language model with a scalar head, which puts edits into an order; it writes no words.

    It is shown source and edit and told the instruction, and the rationale where it was trained with rationales and the
    scorer passes them on (`PreferenceScorer`). Its Bradley–Terry reward becomes a score by the map that is stored with
    it (`ScoreMap`): scores order the edits of one question, and are not calibrated. The reward itself is the reply.

    Raises:
        ModelError: on construction, when the folder or its base weights are missing, or do not fit each other.
    """

    class Params(ForwardJudge.Params):
        """Which judge, and where and how it computes."""

        model_name: str
        """The folder that `train-judge` wrote."""

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str:
        """The fingerprint of the judge's folder and, joined by `+`, the revision of its base."""
        folder, description = _described(cls.Params(**params).model_name)
        return f"{resolve_revision(str(folder))}+{description.check_base()}"

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a folder without a judge, or a base that is no vision-language model."""
        _, description = _described(cls.Params(**params).model_name)
        if not description.trust_remote_code:
            require_vision_language(description.base, description.hub_revision)

    def _initialize(self) -> None:
        from src.models.vlm.scalar_head import ScalarHeadModel

        folder, self._description = _described(self.params.model_name)
        self._description.check_base()
        self.device = pick_device(self.params.device)
        self.batch_size = self.params.batch_size
        base = _BaseWeights(
            model_name=self._description.base,
            revision=self._description.hub_revision,
            trust_remote_code=self._description.trust_remote_code,
            **self.params.model_dump(include={"dtype", "use_flash_attention"}),
        )
        processor, model = load_checkpoint(base, [self.device])
        self._encoder = QuestionEncoder(processor, self._description.image_max_side)
        self.model = ScalarHeadModel(model)
        dtype = model.dtype
        prepare_trained(self.model, self._description.lora, self._description.frozen)
        load_trained(self.model, folder)
        if self._description.lora is None:
            self.model.body.to(dtype)
        self._dtype = dtype
        self.model.requires_grad_(False).eval()
        self.load_to_gpu()

    def rewards(self, requests: Sequence[JudgeRequest]) -> list[tuple[float, int]]:
        """Each edit's Bradley–Terry reward, and the tokens of its question."""
        import torch

        inputs = self._encoder([self._question(request) for request in requests]).to(self.device, self._dtype)
        tokens = inputs["attention_mask"].sum(dim=1).tolist()
        with torch.inference_mode():
            found = self.model(**inputs).logits.squeeze(-1).tolist()
        return list(zip(found, tokens, strict=True))

    def _question(self, request: JudgeRequest) -> Any:
        rationale = request.rationale if self._description.rationale else None
        return preference_question(request.given_source, request.edited_image, request.edit_instruction, rationale)

    def judge_batch(self, requests: list[JudgeRequest]) -> list[Judgement]:
        """Judges several edits in one pass.

        Raises:
            ValueError: a reward is no number.
        """
        return [
            Judgement(
                self._description.score_map(reward),
                replies=(f"reward {reward:.6f}",),
                usage={"calls": 1.0, "prompt_tokens": float(tokens)},
            )
            for reward, tokens in self.rewards(requests)
        ]


def _described(model_name: str) -> tuple[Path, PreferenceDescription]:
    if not is_local(model_name):
        raise ModelError(
            f"reward_model.params.model_name: {model_name} is no folder here; a preference judge is the folder that "
            "`python main.py train-judge` wrote (of a hub repository: hf download it first, and name its folder)"
        )
    folder = Path(model_name).expanduser()
    return folder, PreferenceDescription.read(folder)
