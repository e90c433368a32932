"""`EditScoreRewardModel`: a published EditScore adapter on its base model, asked in this process."""

from __future__ import annotations

import pydantic

from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.adapted_model import AdaptedModel
from src.models.vlm.seeded_sampling import Temperature


class EditScoreRewardModel(AdaptedModel, VisionLanguageJudge):
    """EditScore (VectorSpaceLab/EditScore) on Qwen3-VL or Qwen2.5-VL: a vision-language model with a LoRA adapter.

    It is a judge that answers in words, and is asked by a protocol: `scorer: {protocol: editscore@2025-11}` for the
    adapters of Qwen3-VL, `editscore-qwen25@2025-11` for those of Qwen2.5-VL. `scorer.params.repeats` is the number of
    passes.

    Replies are drawn as the published code draws them (temperature 0.7, top_p 0.9, top_k 20, at most 512 tokens), but
    with random numbers of their own: those of a pass come of `seed`, the question's words and pixels, and the pass, so
    that a score does not depend on the batch. The published code seeds the whole process with 42 + pass.

    Raises:
        ModelError: on construction or before a run, when the base model or the adapter is missing, is something else,
            or they do not fit each other.
    """

    class Params(AdaptedModel.Params):
        """Base model and adapter, and how replies are drawn."""

        model_name: str = "Qwen/Qwen3-VL-8B-Instruct"
        """Hub id or folder of the model that the adapter was trained on."""
        adapter: str
        """Hub id or folder of the adapter, such as `EditScore/EditScore-Qwen3-VL-8B-Instruct`."""
        temperature: Temperature = 0.7
        top_p: float = pydantic.Field(0.9, gt=0, le=1)
        top_k: int | None = pydantic.Field(20, ge=1)
        """How many of the most probable tokens are drawn from; None draws from all."""
        seed: int = 42
        image_max_side: int | None = pydantic.Field(None, ge=28)
        """Longest side in pixels of what the model sees; None leaves it to the checkpoint's processor."""

    @property
    def _top_k(self) -> int | None:
        """Of the params."""
        top_k: int | None = self.params.top_k
        return top_k
