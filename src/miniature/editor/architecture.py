"""The miniature editor's parts: real Qwen-Image-Edit classes at a few million parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImageEditPipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer, Qwen2VLProcessor

IMAGE_SIDE = 64
"""Width and height in pixels of every miniature image."""
PATCH_SIDE = 8
PATCHES_PER_SIDE = IMAGE_SIDE // PATCH_SIDE
"""Width and height in pixels of one patch of the vision tower; 2×2 patches become one token."""
TIMESTEP_SHIFT = 3.0
"""The scheduler's shift: with few steps most of them are spent where the content of the edit is decided."""
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_PIECES = re.compile("[\u4e00-\u9fff]|[^\u4e00-\u9fff]+")


@dataclass(frozen=True, slots=True)
class EditorSize:
    """The widths and depths of the editor; the defaults are the shipped ones.

    Attributes:
        vocabulary: Entries of the byte-level BPE, special tokens included.
        text_width: Hidden width of the text encoder; a multiple of 64, its head width (which vLLM needs).
        text_layers: Decoder layers of the text encoder.
        vision_width: Hidden width of the vision tower, a multiple of 64.
        vision_layers: Blocks of the vision tower.
        heads: Attention heads of the diffusion transformer, 64 wide each.
        layers: Blocks of the diffusion transformer.
        vae_width: Base width of the autoencoder.
        latent_channels: Channels of the latents, which have a quarter of the image's height and width.
    """

    vocabulary: int = 1536
    text_width: int = 192
    text_layers: int = 3
    vision_width: int = 128
    vision_layers: int = 1
    heads: int = 3
    layers: int = 4
    vae_width: int = 16
    latent_channels: int = 8


def prompt_template() -> str:
    """The prompt template that `QwenImageEditPipeline` puts around an instruction."""
    from diffusers import QwenImageEditPipeline

    empty = QwenImageEditPipeline(
        scheduler=None, vae=None, text_encoder=None, tokenizer=None, processor=None, transformer=None
    )
    return str(empty.prompt_template_encode)


def build_tokenizer(texts: Iterable[str], vocabulary: int, whole: Sequence[str] | None = None) -> Qwen2Tokenizer:
    """Trains a byte-level BPE with Qwen's pre-tokenizer on `texts`; any Unicode text can be encoded.

    A token holds one Chinese character at most: for want of spaces the BPE would learn whole phrases of the training
    texts, and a colour would be another token in every phrase.

    Fixed texts are one single token each: the editor's prompts would else carry about 60 tokens that say nothing, more
    than their instruction, and the judge's ten times as many.

    Args:
        texts: The texts whose words shall become short.
        vocabulary: Entries in all; at least 256 bytes and the special tokens.
        whole: The texts that become one token each; by default the fixed system text of the editor's prompts.
    """
    from tokenizers import AddedToken
    from transformers import Qwen2Tokenizer

    if whole is None:
        whole = [prompt_template().partition("system\n")[2].partition("<|im_end|>")[0]]
    vocab, merges = train_pieces(texts, vocabulary - len(SPECIAL_TOKENS) - len(whole))
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=merges, padding_side="right")
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in whole])
    return tokenizer


def train_pieces(texts: Iterable[str], entries: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary and the merges of a byte-level BPE of `texts`, as `build_tokenizer` describes it."""
    from tokenizers import pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    trained = Qwen2Tokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=entries,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained.train_from_iterator((piece for text in texts for piece in _PIECES.findall(text)), trainer)
    return _model_of(trained)


def _model_of(backend: Any) -> tuple[dict[str, int], list[tuple[str, str]]]:
    import json

    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def build_processor(tokenizer: Qwen2Tokenizer) -> Qwen2VLProcessor:
    """The prompt and condition-image processor; images of `IMAGE_SIDE` keep their size."""
    from transformers import Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    pixels = IMAGE_SIDE * IMAGE_SIDE
    settings: dict[str, Any] = {
        "patch_size": PATCH_SIDE,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": pixels, "longest_edge": pixels},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**settings),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**settings),
    )


def build_vae(size: EditorSize) -> AutoencoderKLQwenImage:
    """An untrained autoencoder with 4× spatial compression, whose latent statistics are still neutral."""
    from diffusers import AutoencoderKLQwenImage

    return AutoencoderKLQwenImage(
        base_dim=size.vae_width,
        z_dim=size.latent_channels,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, False],
        latents_mean=[0.0] * size.latent_channels,
        latents_std=[1.0] * size.latent_channels,
    )


def vision_token_ids(tokenizer: Qwen2Tokenizer) -> dict[str, int]:
    """The ids of the tokens that stand for pictures, as the configs of Qwen's vision-language models name them."""
    names = ("image_pad", "video_pad", "vision_start", "vision_end")
    settings = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return dict(zip(settings, tokenizer.convert_tokens_to_ids([f"<|{name}|>" for name in names]), strict=True))


def build_text_encoder(size: EditorSize, tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained Qwen2.5-VL that reads the source image (16 tokens) and the instruction."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    end_of_text = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": size.text_width,
            "intermediate_size": 3 * size.text_width,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": size.text_width // 64,
            "num_key_value_heads": size.text_width // 64,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [8, 12, 12]},
            "bos_token_id": end_of_text,
            "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
            "pad_token_id": end_of_text,
        },
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_heads": size.vision_width // 64,
            "patch_size": PATCH_SIDE,
            "out_hidden_size": size.text_width,
            "window_size": IMAGE_SIDE,
            "fullatt_block_indexes": list(range(size.vision_layers)),
        },
        **vision_token_ids(tokenizer),
        tie_word_embeddings=True,
    )
    return Qwen2_5_VLForConditionalGeneration(config)


def build_transformer(size: EditorSize) -> QwenImageTransformer2DModel:
    """An untrained diffusion transformer whose blocks start as the identity and whose output starts at zero.

    The zero initialisation follows Peebles & Xie, "Scalable Diffusion Models with Transformers" (adaLN-Zero).
    """
    import torch
    from diffusers import QwenImageTransformer2DModel

    model = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=4 * size.latent_channels,
        out_channels=size.latent_channels,
        num_layers=size.layers,
        attention_head_dim=64,
        num_attention_heads=size.heads,
        joint_attention_dim=size.text_width,
        axes_dims_rope=(8, 28, 28),
    )
    modulations = [linear[1] for block in model.transformer_blocks for linear in (block.img_mod, block.txt_mod)]
    for linear in (*modulations, model.norm_out.linear, model.proj_out):
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    return model


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """The flow-matching Euler sampler with a fixed shift of the noise levels."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=TIMESTEP_SHIFT, use_dynamic_shifting=False)


def build_pipeline(
    tokenizer: Qwen2Tokenizer,
    vae: AutoencoderKLQwenImage,
    text_encoder: Qwen2_5_VLForConditionalGeneration,
    transformer: QwenImageTransformer2DModel,
) -> QwenImageEditPipeline:
    """The parts as one pipeline that `save_pretrained` writes and plain `from_pretrained` loads."""
    from diffusers import QwenImageEditPipeline

    return QwenImageEditPipeline(
        scheduler=build_scheduler(),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        processor=build_processor(tokenizer),
        transformer=transformer,
    )
