"""`TrainedPolicy`: a vision-language policy that is asked after its training, with or without an adapter."""

from __future__ import annotations

import functools
from typing import Any, Literal

from src.models.vlm.adapter import with_adapter
from src.models.vlm.transformers_model import TransformersModel
from src.models.weights import resolve_revision


class TrainedPolicy(TransformersModel):
    """A policy answers questions as any vision-language checkpoint does, with its adapter in place.

    With the training's number types it computes what the trainer computed: an adapter stays beside the weights that it
    was trained on, since merging into half precision would round away much of what was learned.

    Raises:
        ModelError: on construction, when weights are missing, or the adapter is not one of this policy.
    """

    class Params(TransformersModel.Params):
        """Those of `TransformersModel`, whose `model_name` is the policy here, with its adapter and number type."""

        adapter: str | None = None
        """Hub id or local folder of a PEFT adapter for it."""
        autocast: Literal["bfloat16", "float16"] | None = None
        """Compute in this number type, whatever the weights have, as mixed-precision training does."""

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The checkpoint's identity, with two params of judges that the keys of stored answers hold."""
        found = super().identity(params)
        found["params"] |= {"compare_with_original": True, "compare_with_reference": True}
        return found

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The revision of the policy and, joined by `+`, the revision of its adapter."""
        adapter = cls.Params(**params).adapter
        own = super().weights_revision(params)
        return own if adapter is None else f"{own}+{resolve_revision(adapter)}"

    def _load(self) -> None:
        super()._load()
        if self.params.adapter is not None:
            self.model = with_adapter(self.model, self.params.adapter).get_base_model()
        if self.params.autocast is not None:
            self._compute_in(self.params.autocast)

    def _compute_in(self, dtype: str) -> None:
        """Puts autocast around the forward pass alone, as accelerate does it for the trainer."""
        import torch

        device, number, forward = torch.device(self.device).type, getattr(torch, dtype), self.model.forward

        @functools.wraps(forward)  # `generate` looks at its arguments
        def mixed(*args: Any, **kwargs: Any) -> Any:
            with torch.autocast(device, dtype=number):
                return forward(*args, **kwargs)

        self.model.forward = mixed
