"""Parts of a few thousand random weights, of which the tests make judges, policies and editing pipelines."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from PIL import Image

from src.miniature.editor.architecture import PATCH_SIDE, build_processor, build_tokenizer, vision_token_ids
from src.miniature.judge.architecture import CHAT_TEMPLATE

TEXTS = ["make the sky red", "remove the tree", "把天空变成红色"]
VOCABULARY = 300


def once(build: Callable[..., Any]) -> Callable[..., Any]:
    """A fixture that several modules import is one fixture in each; they share what the first of them has built."""
    built: list[Any] = []

    @functools.wraps(build)
    def shared(*arguments: Any, **others: Any) -> Any:
        if not built:
            built.append(build(*arguments, **others))
        return built[0]

    return shared


def gradient(size: tuple[int, int] = (64, 64), turn: int = 0) -> Image.Image:
    """A smooth colourful picture, another one for each `turn`."""
    ramp = Image.linear_gradient("L").resize(size)
    bands = [ramp, ramp.transpose(Image.Transpose.ROTATE_180), Image.new("L", size, (40 * turn) % 256)]
    return Image.merge("RGB", bands)


def fill(model: Any, spread: float) -> None:
    """Random weights wide enough that the instruction changes the pixels."""
    import torch

    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=spread)


def qwen_tokenizer(texts: list[str], **settings: Any) -> Any:
    """Bytes and Qwen's special tokens, with the ends of turns and of texts as chat models have them."""
    made = build_tokenizer(texts, VOCABULARY, **settings)
    made.eos_token, made.pad_token = "<|im_end|>", "<|endoftext|>"
    return made


def qwen2_processor(tokenizer: Any, pixels: dict[str, int] | None = None) -> Any:
    """The processor of a Qwen2.5-VL, which scales pictures to `pixels` where given."""
    made = build_processor(tokenizer)
    made.chat_template = CHAT_TEMPLATE
    if pixels is not None:
        made.image_processor.size = pixels
    return made


def qwen3_processor(tokenizer: Any, pixels: dict[str, int], patch: int = PATCH_SIDE) -> Any:
    """The processor of a Qwen3-VL, which scales pictures to `pixels`."""
    import transformers

    settings: dict[str, Any] = {"patch_size": patch, "merge_size": 2, "temporal_patch_size": 2}
    return transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(**settings, size=pixels),
        tokenizer=tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(**settings),
        chat_template=CHAT_TEMPLATE,
    )


def qwen3_vl(
    tokenizer: Any, layers: int = 2, width: int = 64, head: int = 64, vision_layers: int = 2, patch: int = PATCH_SIDE
) -> Any:
    """A Qwen3-VL with one attention head, whose vision tower is as wide as the head."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    wider = head // 32  # of the hidden layers within a block
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": wider * width,
            "num_hidden_layers": layers,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
            "head_dim": head,
            "max_position_embeddings": 1024,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": {64: [12, 10, 10], 32: [6, 5, 5]}[head],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": vision_layers,
            "hidden_size": head,
            "intermediate_size": wider * head,
            "num_heads": 1,
            "patch_size": patch,
            "out_hidden_size": width,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        **vision_token_ids(tokenizer),
    )
    return Qwen3VLForConditionalGeneration(config)


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [*"abcdefghijklmnopqrstuvwxyz", "<|startoftext|>", "<|endoftext|>"]
    words = [f"{letter}</w>" for letter in letters[:26]]
    vocab = {token: index for index, token in enumerate([*letters[:26], *words, *letters[26:]])}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def clip_text_encoder(projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(clip_tokenizer()),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=16,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def autoencoder(**changes: Any) -> Any:
    """An `AutoencoderKL` that makes pictures 8 times smaller."""
    from diffusers import AutoencoderKL

    settings: dict[str, Any] = {
        "block_out_channels": (8,) * 4,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "latent_channels": 4,
        "norm_num_groups": 4,
    }
    return AutoencoderKL(**(settings | changes))


def pix2pix_unet(**changes: Any) -> Any:
    """A denoiser that reads source and noise, of four channels each."""
    from diffusers import UNet2DConditionModel

    settings: dict[str, Any] = {
        "sample_size": 8,
        "in_channels": 8,
        "out_channels": 4,
        "layers_per_block": 1,
        "block_out_channels": (16, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 16,
        "attention_head_dim": 8,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**(settings | changes))


def shifted_autoencoder(**changes: Any) -> Any:
    """An `AutoencoderKL` whose latents are shifted and scaled, as those of transformers are."""
    return autoencoder(**{"shift_factor": 0.1, "scaling_factor": 1.5} | changes)


def pipeline_tokenizer() -> Any:
    """The tokenizer of all pipelines that read Qwen's tokens."""
    made = qwen_tokenizer(TEXTS, whole=())
    made.chat_template, made.model_max_length = CHAT_TEMPLATE, 512
    return made


def flow_scheduler(**settings: Any) -> Any:
    """A flow-matching Euler sampler."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def wan_autoencoder() -> Any:
    """The autoencoder of Wan's video models, for single frames too."""
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def flux2_autoencoder() -> Any:
    """The autoencoder of FLUX.2."""
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=2,
        layers_per_block=1,
        norm_num_groups=4,
    )
