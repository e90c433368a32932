"""`without_weights`: a Qwen pipeline with all that decides what its text encoder is shown, and nothing that paints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.errors import ModelError
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.qwen_pipeline import QwenPipelineModel
from src.models.weights import pinned

_OF_PAINTING = frozenset(
    {
        "compile", "device", "device_ids", "lora", "lora_scale", "lora_weight_name", "offload", "quantization",
        "scheduler_config", "think",
    }
)  # fmt: skip
"""Params that say nothing of what the text encoder is shown."""


def without_weights(model_class: type[QwenPipelineModel], params: Mapping[str, Any]) -> QwenPipelineModel:
    """Builds a model whose pipeline has its tokenizer, its processor and the sizes of its autoencoder.

    Its `shown_to_encoder` and `pipe` are those of the loaded model; editing with it fails.

    Args:
        model_class: The class.
        params: Its params.

    Raises:
        ModelError: the files of the checkpoint cannot be read.
    """

    class Weightless(model_class):  # type: ignore[misc, valid-type]
        def _load(self) -> Any:
            return _skeleton(self._class_name(), self.params.model_name, self.params.revision)

        def _place(self) -> None:
            pass

    kept = {name: value for name, value in params.items() if name not in _OF_PAINTING}
    found: QwenPipelineModel = Weightless({**kept, "device": "cpu"})
    return found


def _skeleton(class_name: str, model_name: str, revision: str | None) -> Any:
    """A diffusers pipeline whose autoencoder has no numbers, and which has neither transformer nor text encoder."""
    import diffusers
    import torch

    source = pinned(model_name, revision)
    vae_class = getattr(diffusers, str(stored_index(model_name, revision)["vae"][1]))
    try:
        with torch.device("meta"):
            vae = vae_class.from_config(vae_class.load_config(model_name, subfolder="vae", **source))
        return getattr(diffusers, class_name).from_pretrained(
            model_name, transformer=None, text_encoder=None, vae=vae, **source
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"the files of {model_name} could not be read ({error})") from error
