"""A trained policy that is asked, not trained: a vision-language checkpoint with or without its adapter."""

from __future__ import annotations

from typing import Any

from src.errors import ModelError
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.weights import pinned


def trained_policy(params: dict[str, Any], adapter: str | None = None) -> Qwen3VLRewardModel:
    """Any vision-language checkpoint answers questions; the judge's class does so in batches and spares no care.

    Args:
        params: Of `Qwen3VLRewardModel`; `model_name` is the policy.
        adapter: Hub id or local folder of a PEFT adapter for it.

    Raises:
        ModelError: weights are missing, or the adapter is not one of this policy.
    """
    policy = Qwen3VLRewardModel(params)
    if adapter is not None:
        policy.model = _with_adapter(policy.model, adapter)
    return policy


def _with_adapter(model: Any, adapter: str) -> Any:
    from peft import PeftModel

    try:
        adapted = PeftModel.from_pretrained(model, adapter, **pinned(adapter))
    except (OSError, ValueError, RuntimeError) as error:  # the last: shapes that do not fit
        raise ModelError(
            f"the adapter {adapter} does not load onto the policy; was it trained for it? ({error})"
        ) from error
    return adapted.merge_and_unload()
