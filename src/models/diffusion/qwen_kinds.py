"""The kinds of Qwen edit pipelines and what differs between them.

Facts: the pipelines of diffusers (`QwenImageEditPipeline`, `QwenImageEditPlusPipeline`, `QwenImage21Pipeline`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from src.models.diffusion.steps_without_effect import fixed_steps


@dataclass(frozen=True, slots=True)
class QwenKind:
    """What sets one pipeline class of Qwen-Image-Edit apart from the others.

    Attributes:
        pipeline: Name of its diffusers class.
        guidance: Its own scale of guidance.
        shares_calls: Whether a call edits several pictures, each by its own prompt. Else a list of pictures is a list
            of references for every prompt, and calls hold one picture.
        measures_prefix: Whether it finds out itself how long the fixed start of its prompts is.
        takes_condition_size: Whether a call says how large the source is encoded.
        ignored: Settings of `QwenImageEditModel` that it has no use for, each with the reason.
    """

    pipeline: str
    guidance: float
    shares_calls: bool = False
    measures_prefix: bool = False
    takes_condition_size: bool = False
    ignored: Mapping[str, str] = field(default_factory=dict)

    def guidance_of(self, params: Any) -> float:
        """The scale that `QwenImageEditModel.Params` ask for; 1 or less is none."""
        return self.guidance if params.true_cfg_scale is None else float(params.true_cfg_scale)


_NO_CACHE = {"use_kv_cache": "this pipeline has no cache"}

KINDS: dict[str, QwenKind] = {
    kind.pipeline: kind
    for kind in (
        QwenKind("QwenImageEditPipeline", guidance=4.0, shares_calls=True, ignored=_NO_CACHE),
        QwenKind("QwenImageEditPlusPipeline", guidance=4.0, ignored=_NO_CACHE),
        QwenKind(
            "QwenImage21Pipeline",
            guidance=1.0,
            measures_prefix=True,
            takes_condition_size=True,
            ignored={"vl_resolution": "both encoders see one picture, of condition_resolution"},
        ),
    )
}


_DYNAMIC_SHIFT = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type")
"""Settings of `FlowMatchEulerDiscreteScheduler` that make its shift from the size of the picture."""


def settings_without_effect(
    kind: QwenKind, params: Any, index: Mapping[str, Any], scheduler: Mapping[str, Any]
) -> Iterator[str]:
    """A sentence for each setting that was made and changes nothing.

    Args:
        kind: Of the checkpoint.
        params: `QwenImageEditModel.Params`.
        index: The checkpoint's `model_index.json`.
        scheduler: The settings of its scheduler, overridden by those of `params`; empty where none are.
    """
    made = params.model_fields_set
    for name, reason in kind.ignored.items():
        if name in made and getattr(params, name) != type(params).model_fields[name].default:
            yield f"{name}: {reason}"
    if params.batch_size > 1 and not kind.shares_calls:
        yield f"batch_size {params.batch_size}: a {kind.pipeline} edits one picture per call"
    guidance = kind.guidance_of(params)
    if "negative_prompt" in made and guidance <= 1:
        yield f"negative_prompt: guidance is off (true_cfg_scale {guidance:g}); above 1 turns it on"
    yield from fixed_steps(params, index)
    dynamic = bool(scheduler.get("use_dynamic_shifting"))
    for name in ("shift",) if dynamic else _DYNAMIC_SHIFT:
        if name in params.scheduler_config:
            yield f"scheduler_config.{name}: use_dynamic_shifting is {str(dynamic).lower()}"
    if params.lora is None:
        for name in ("lora_weight_name", "lora_scale"):
            if name in made:
                yield f"{name}: there is no lora"
    if params.enable_batch_sync is not None:
        yield "enable_batch_sync: replicas work independently of each other"
