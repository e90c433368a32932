"""`TrainedPolicy`: a vision-language policy that is asked after its training, with or without an adapter."""

from __future__ import annotations

import functools
from typing import Any, Literal

from src.models.vlm.adapted_model import AdaptedModel


class TrainedPolicy(AdaptedModel):
    """A policy answers questions as any vision-language checkpoint does, with its adapter in place.

    With the training's number types it computes what the trainer computed.

    Raises:
        ModelError: on construction, when weights are missing, or the adapter is not one of this policy.
    """

    class Params(AdaptedModel.Params):
        """Those of `AdaptedModel`, whose `model_name` is the policy here, with its number type."""

        autocast: Literal["bfloat16", "float16"] | None = None
        """Compute in this number type, whatever the weights have, as mixed-precision training does."""

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The checkpoint's identity, with two params of judges that the keys of stored answers hold."""
        found = super().identity(params)
        found["params"] |= {"compare_with_original": True, "compare_with_reference": True}
        return found

    def _load(self) -> None:
        super()._load()
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
