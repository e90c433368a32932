"""`AdaptedModel`: a vision-language checkpoint of transformers with a LoRA adapter beside its weights."""

from __future__ import annotations

from typing import Any

from src.models.vlm.adapter import require_adapter_files, with_adapter
from src.models.vlm.transformers_model import TransformersModel
from src.models.weights import resolve_revision


class AdaptedModel(TransformersModel):
    """Answers questions as the checkpoint with its adapter does.

    The adapter stays beside the weights that it was trained on: merging into half precision would round away much of
    what was learned.

    Raises:
        ModelError: on construction, when weights are missing, or the adapter is not one of this checkpoint.
    """

    class Params(TransformersModel.Params):
        """Those of `TransformersModel`, whose `model_name` is the checkpoint, with its adapter."""

        adapter: str | None = None
        """Hub id or local folder of a PEFT adapter for it."""

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The revision of the checkpoint and, joined by `+`, the revision of its adapter."""
        adapter = cls.Params(**params).adapter
        own = super().weights_revision(params)
        return own if adapter is None else f"{own}+{resolve_revision(adapter)}"

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a checkpoint that is no vision-language model, or a folder that is no adapter."""
        super().check_weights(params)
        if (adapter := cls.Params(**params).adapter) is not None:
            require_adapter_files(adapter)

    def _load(self) -> None:
        super()._load()
        if self.params.adapter is not None:
            self.model = with_adapter(self.model, self.params.adapter).get_base_model()
