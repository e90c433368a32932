"""Checkpoints that bring their own noise levels, over which no number of steps has an effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def fixed_steps(params: Any, index: Mapping[str, Any]) -> Iterator[str]:
    """A sentence when `num_inference_steps` was set and the checkpoint makes another number of steps.

    Args:
        params: `PipelineParams`.
        index: The checkpoint's `model_index.json`.
    """
    fixed, steps = len(index.get("sample_sigmas") or ()), params.num_inference_steps
    if fixed and steps not in (None, fixed):
        yield f"num_inference_steps {steps}: the checkpoint's sample_sigmas make {fixed} steps"
