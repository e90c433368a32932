"""Shapes of published models, so that memory can be computed before anything is downloaded.

A model that is here or in the hub's cache is asked itself; of others only those of this table are known.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_QWEN2_5_VISION = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
_QWEN2_5_VL_7B: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "text_config": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
        "max_position_embeddings": 128000,
        "rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]},
    },
    "vision_config": {**_QWEN2_5_VISION, "out_hidden_size": 3584},
    "tie_word_embeddings": False,
}  # fmt: skip
_QWEN2_5_VL_3B: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "text_config": {
        "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
        "num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936,
        "max_position_embeddings": 128000,
        "rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]},
    },
    "vision_config": {**_QWEN2_5_VISION, "out_hidden_size": 2048},
    "tie_word_embeddings": True,
}  # fmt: skip
_QWEN3_VL_8B: dict[str, Any] = {
    "model_type": "qwen3_vl",
    "text_config": {
        "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
        "max_position_embeddings": 262144,
        "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [24, 20, 20]},
    },
    "vision_config": {
        "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "out_hidden_size": 4096,
    },
    "tie_word_embeddings": False,
}  # fmt: skip

VISION_LANGUAGE: dict[str, dict[str, Any]] = {
    "Qwen/Qwen2.5-VL-7B-Instruct": _QWEN2_5_VL_7B,
    "Qwen/Qwen2.5-VL-3B-Instruct": _QWEN2_5_VL_3B,
    "Qwen/Qwen3-VL-8B-Instruct": _QWEN3_VL_8B,
}
"""The part of each model's `config.json` that decides its shapes, and its longest context."""

QWEN_IMAGE: dict[str, Any] = {
    "transformer": {"num_layers": 60, "num_attention_heads": 24, "joint_attention_dim": 3584},
    "vae": {},
    "text_encoder": _QWEN2_5_VL_7B,
}
"""The `config.json` of each part; all else of it are the defaults of its diffusers class."""
EDITORS = {
    "Qwen/Qwen-Image-Edit": "QwenImageEditPipeline",
    "Qwen/Qwen-Image-Edit-2509": "QwenImageEditPlusPipeline",
    "Qwen/Qwen-Image-Edit-2511": "QwenImageEditPlusPipeline",
    "Qwen/Qwen-Image": "QwenImagePipeline",
}
"""Checkpoints with the shapes of `QWEN_IMAGE`, and their diffusers classes."""


class UnknownShape(ModelError):
    """A model that is not here and not in the table; the text says what to do."""


def vision_language_config(name: str) -> PretrainedConfig:
    """The configuration of a vision-language model: its own, or that of the table.

    Raises:
        UnknownShape: it is neither here, nor cached, nor in the table.
    """
    import transformers

    try:
        config: PretrainedConfig = transformers.AutoConfig.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError) as error:
        if Path(name).is_dir():
            raise UnknownShape(f"unknown, since {name} has no readable config.json ({error})") from error
        if name not in VISION_LANGUAGE:
            raise unknown(name) from None
        shape = VISION_LANGUAGE[name]
        config = transformers.AutoConfig.for_model(**shape)
    return config


def pipeline_class(name: str) -> str | None:
    """The diffusers class of a checkpoint, by its own index or the table; None where neither tells."""
    from diffusers import DiffusionPipeline

    try:
        return str(DiffusionPipeline.load_config(name, local_files_only=True)["_class_name"])
    except (OSError, ValueError, KeyError):
        return EDITORS.get(name)


def unknown(name: str) -> UnknownShape:
    """Returns the error that says that a model's shape is not known, and how to make it known."""
    is_path = name.startswith((".", "/", "~"))
    remedy = "" if is_path else f"; get its configuration first: hf download {name} --include '*.json'"
    return UnknownShape(f"unknown, since {name} is not on this machine{remedy}")
