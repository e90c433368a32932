"""The memory that an editor or a judge takes on its GPU."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.config import ModelConfig
from src.errors import ModelError
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.implementations.qwen_image import GUIDANCE, QwenImageModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.diffusion.implementations.token_decoder import TokenDecoder
from src.models.diffusion.pipeline_editor import PipelineEditor
from src.models.diffusion.quantization import Quantization
from src.models.diffusion.thinking import needs_own_encoder
from src.models.reward.base_reward import BaseRewardModel
from src.models.reward.implementations.preference import PreferenceRewardModel
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.reward.trained_preference import PreferenceDescription
from src.registry import load_class
from src.training.memory.architectures import EDITORS, QWEN_IMAGE, UnknownShape, unknown, vision_language_config
from src.training.memory.parts import GIB, MemoryPart

DECODING = 4300
"""Bytes for each output pixel of a batch in bfloat16, at the fullest moment, when Qwen-Image's autoencoder decodes.

Measured on an H100 with the whole pipeline: 57.97 GiB for one picture of 1024² pixels and 70.41 for four, 54.87 and
58.01 for 512²: all are 53.82 GiB and 4,250 to 4,300 bytes a pixel. Tensors that are live at once, by `LiveBytes`, are
3,460 of them; the rest is what convolutions work in."""
JUDGING = 1.0 * GIB
"""Estimate: pictures and KV cache of a judge in the process."""
_BYTES = {"int8": 1.0, "nf4": 0.5 + 4 / 64}
"""Bytes of a quantised weight; a block of 64 in NF4 has a scale of four bytes."""


@dataclass(frozen=True)
class Component:
    """One model of a pipeline, with what it holds in memory."""

    linear: int
    """Parameters that quantization shrinks: weights of linear layers, but for the head of a language model."""
    other: int
    largest: int
    """Parameters of its largest tensor."""

    def size(self, width: int, quantization: Quantization | None) -> float:
        """Bytes on the GPU."""
        linear = width if quantization is None else _BYTES[quantization.weights]
        return self.linear * linear + self.other * width


def editor_memory(config: ModelConfig, *, own_encoder: bool = True) -> Iterator[MemoryPart]:
    """Weights and activations of an editor in the process; nothing for one that works elsewhere.

    Args:
        config: The editor, or the text-to-image model.
        own_encoder: Whether it keeps the text encoder that it came with; a training frees one that nothing asks.

    Raises:
        UnknownShape: its size cannot be told.
    """
    editor = load_class(config.class_path, BaseDiffusionModel)  # type: ignore[type-abstract]
    if issubclass(editor, TokenDecoder):
        yield MemoryPart("VQ-VAE", _codec_size(str(config.params["model_name"])))
    if not issubclass(editor, PipelineEditor):
        return
    params: Any = editor.Params(**config.params)  # type: ignore[misc]
    width = 4 if params.dtype == "float32" else 2
    chosen = params.quantization.components if params.quantization else ()
    thinking: Any = getattr(params, "thinking", None)
    if thinking is not None and thinking.policy is not None:
        own_encoder = own_encoder and needs_own_encoder(thinking.negative_prompt_from, guidance_of(params))
        yield MemoryPart("encoder that thinks", model_size(thinking.policy, width))
    components = {
        name: component
        for name, component in pipeline_components(params.model_name).items()
        if own_encoder or name != "text_encoder"
    }
    sizes = {
        name: component.size(width, params.quantization if name in chosen else None)
        for name, component in components.items()
    }
    if params.offload == "none":
        yield MemoryPart("editor's weights", sum(sizes.values()))
    elif params.offload == "model":
        yield MemoryPart("editor's largest model (offload)", max(sizes.values()), "edit")
    else:
        largest = max(component.largest for component in components.values())
        yield MemoryPart("editor's largest layer (offload)", float(largest * width), "edit")
    yield MemoryPart("editor's activations", DECODING * width / 2 * _pixels(editor, params) * params.batch_size, "edit")


def _codec_size(name: str) -> float:
    """Bytes of the VQ-VAE of a token editor, which computes in float32."""
    import torch
    from transformers import Emu3VQVAE

    known: Any = vision_language_config(name)
    with torch.device("meta"):
        return 4.0 * sum(weight.numel() for weight in Emu3VQVAE(known.vq_config).parameters())


def guidance_of(params: Any) -> float:
    """The scale of guidance of a Qwen pipeline that can think, before its checkpoint is looked at."""
    return GUIDANCE if params.true_cfg_scale is None else float(params.true_cfg_scale)


def _pixels(editor: type[BaseDiffusionModel], params: Any) -> int:
    """The pixels of one picture that comes out."""
    if issubclass(editor, QwenImageModel):
        return int(params.width * params.height)
    if not issubclass(editor, QwenImageEditModel):
        raise UnknownShape(f"activations of {editor.__name__} are not known: leave room")
    side: int = params.output_resolution if isinstance(params.output_resolution, int) else 1024
    return side**2


def pipeline_components(name: str) -> dict[str, Component]:
    """The models of a checkpoint: those of its own configuration, or of the table.

    Raises:
        UnknownShape: it is neither here, nor cached, nor in the table.
    """
    from diffusers import DiffusionPipeline

    try:
        index = DiffusionPipeline.load_config(name, local_files_only=True)
    except (OSError, ValueError):
        if name not in EDITORS:
            raise unknown(name) from None
        return _published()
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(name, local_files_only=True, allow_patterns=["*.json"]))
    parts = {key: entry for key, entry in index.items() if isinstance(entry, list | tuple) and entry[0]}
    found = {key: _stored(folder / key, library, name) for key, (library, name) in parts.items()}
    return {key: component for key, component in found.items() if component is not None}


@functools.cache
def _published() -> dict[str, Component]:
    import diffusers
    import torch
    import transformers

    shapes = QWEN_IMAGE
    with torch.device("meta"):
        return {
            "transformer": _counted(diffusers.QwenImageTransformer2DModel(**shapes["transformer"])),
            "vae": _counted(diffusers.AutoencoderKLQwenImage(**shapes["vae"])),
            "text_encoder": _counted(
                transformers.AutoModelForImageTextToText.from_config(
                    transformers.AutoConfig.for_model(**shapes["text_encoder"])
                )
            ),
        }


def _stored(folder: Path, library: str, class_name: str) -> Component | None:
    """The model in a folder of a checkpoint, or None for a part that is no model."""
    import diffusers
    import torch
    import transformers

    if library not in ("diffusers", "transformers") or not (folder / "config.json").is_file():
        return None
    model_class: Any = getattr(diffusers if library == "diffusers" else transformers, class_name)
    with torch.device("meta"):
        if library == "diffusers":
            return _counted(model_class.from_config(model_class.load_config(str(folder))))
        return _counted(model_class(transformers.AutoConfig.from_pretrained(folder)))


def _counted(model: Any) -> Component:
    import torch

    head = getattr(model, "get_output_embeddings", lambda: None)()
    linear = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    )
    sizes = [weight.numel() for weight in model.parameters()]
    return Component(linear, sum(sizes) - linear, max(sizes))


def judge_memory(config: ModelConfig | None) -> Iterator[MemoryPart]:
    """Weights and work of a judge in the process; nothing for one that is asked over HTTP.

    Raises:
        UnknownShape: its size cannot be told.
    """
    found = None if config is None else _judge_weights(config)
    if found is None:
        return
    name, dtype = found
    yield MemoryPart("judge's weights", model_size(name, 4 if dtype == "float32" else 2))
    yield MemoryPart("judge's work", JUDGING, "edit")


def _judge_weights(config: ModelConfig) -> tuple[str, str] | None:
    """Name and number type of the weights that a judge in the process loads; None for one without such."""
    judge = load_class(config.class_path, BaseRewardModel)  # type: ignore[type-abstract]
    if issubclass(judge, Qwen3VLRewardModel):
        params: Any = Qwen3VLRewardModel.Params(**config.params)
        return params.model_name, params.dtype
    if issubclass(judge, PreferenceRewardModel):
        params = PreferenceRewardModel.Params(**config.params)
        try:
            return PreferenceDescription.read(Path(params.model_name).expanduser()).base, params.dtype
        except ModelError as error:
            raise UnknownShape(str(error)) from error
    return None


def model_size(name: str, width: int) -> float:
    """Bytes of a vision-language model with weights of this many bytes.

    Raises:
        UnknownShape: it is neither here, nor cached, nor in the table.
    """
    import torch
    import transformers

    with torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(vision_language_config(name))
    return float(sum(weight.numel() for weight in model.parameters()) * width)
