"""Tiny random editing pipelines whose instruction a vision-language model reads, most of them with the source."""

from __future__ import annotations

from typing import Any

from src.miniature.editor.architecture import EditorSize, build_text_encoder
from tests.tiny_parts import (
    VOCABULARY,
    clip_text_encoder,
    clip_tokenizer,
    flow_scheduler,
    flux2_autoencoder,
    pipeline_tokenizer,
    qwen2_processor,
    qwen3_processor,
    qwen3_vl,
    shifted_autoencoder,
    wan_autoencoder,
)
from tests.tiny_pipelines import qwen_pipeline

SIZE = EditorSize(vocabulary=VOCABULARY, text_width=64, text_layers=1, vision_width=64, vision_layers=1)
IMAGE_PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 48 * 48}
"""What the processors scale pictures to."""


def _qwen3_vl(layers: int = 1, width: int = 32) -> Any:
    return qwen3_vl(pipeline_tokenizer(), layers, width, head=32, vision_layers=1)


def longcat() -> Any:
    """The pipeline `LongCatImageEditPipeline`."""
    import diffusers

    transformer = diffusers.LongCatImageTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=SIZE.text_width,
        pooled_projection_dim=SIZE.text_width,
        axes_dims_rope=[4, 4, 8],
    )
    return diffusers.LongCatImageEditPipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=shifted_autoencoder(latent_channels=16),
        text_encoder=build_text_encoder(SIZE, pipeline_tokenizer()),
        tokenizer=pipeline_tokenizer(),
        text_processor=qwen2_processor(pipeline_tokenizer(), IMAGE_PIXELS),
        transformer=transformer,
    )


def fibo2() -> Any:
    """The pipeline `BriaFibo2Pipeline`."""
    import diffusers

    transformer = diffusers.BriaFibo2Transformer2DModel(
        in_channels=2,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        cap_feat_dim=3 * 16,
        injection_layer_ids=(0, 0, 0, 1, 1),
        perceiver_num_layers=1,
        min_num_gist_tokens=4,
        max_num_gist_tokens=8,
        gist_step=2,
        axes_dims=(4, 6, 6),
    )
    return diffusers.BriaFibo2Pipeline(
        transformer=transformer,
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=flux2_autoencoder(),
        text_encoder=_qwen3_vl(layers=35, width=16),
        processor=qwen3_processor(pipeline_tokenizer(), IMAGE_PIXELS),
    )


def joy(class_name: str, transformer_name: str) -> Any:
    """The pipeline `class_name`, of the JoyImage family."""
    import diffusers

    transformer = getattr(diffusers, transformer_name)(
        patch_size=[1, 2, 2],
        in_channels=16,
        hidden_size=32,
        num_attention_heads=2,
        text_dim=32,
        num_layers=1,
        rope_dim_list=[4, 6, 6],
    )
    return getattr(diffusers, class_name)(
        scheduler=flow_scheduler(),
        vae=wan_autoencoder(),
        text_encoder=_qwen3_vl(),
        tokenizer=pipeline_tokenizer(),
        transformer=transformer,
        processor=qwen3_processor(pipeline_tokenizer(), IMAGE_PIXELS),
    )


def kandinsky5() -> Any:
    """The pipeline `Kandinsky5I2IPipeline`."""
    import diffusers

    transformer = diffusers.Kandinsky5Transformer3DModel(
        in_visual_dim=4,
        in_text_dim=SIZE.text_width,
        in_text_dim2=16,
        time_dim=16,
        out_visual_dim=4,
        model_dim=16,
        ff_dim=32,
        num_text_blocks=1,
        num_visual_blocks=1,
        axes_dims=(4, 6, 6),
        visual_cond=True,
    )
    return diffusers.Kandinsky5I2IPipeline(
        transformer=transformer,
        vae=shifted_autoencoder(),
        text_encoder=build_text_encoder(SIZE, pipeline_tokenizer()),
        tokenizer=qwen2_processor(pipeline_tokenizer(), IMAGE_PIXELS),
        text_encoder_2=clip_text_encoder(),
        tokenizer_2=clip_tokenizer(),
        scheduler=flow_scheduler(),
    )


def dreamlite(class_name: str) -> Any:
    """The pipeline `class_name`, of the DreamLite family."""
    import diffusers

    unet = diffusers.DreamLiteUNetModel(
        sample_size=8,
        down_block_types=("DreamLiteCrossAttnNoSelfAttnDownBlock2D", "DreamLiteCrossAttnDownBlock2D"),
        up_block_types=("DreamLiteCrossAttnUpBlock2D", "DreamLiteUpBlock2D"),
        block_out_channels=(16, 32),
        cross_attention_dim=32,
        attention_head_dim=8,
        layers_per_block=1,
        norm_num_groups=8,
    )
    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(1,) * 4,
        num_decoder_blocks=(1,) * 4,
    )
    return getattr(diffusers, class_name)(
        text_encoder=_qwen3_vl(),
        tokenizer=pipeline_tokenizer(),
        processor=qwen3_processor(pipeline_tokenizer(), IMAGE_PIXELS),
        vae=vae,
        unet=unet,
        scheduler=flow_scheduler(use_dynamic_shifting=True),
    )


def qwen(class_name: str) -> Any:
    """The pipeline `class_name`, of the Qwen-Image-Edit family."""
    import diffusers

    parts = qwen_pipeline().components
    own = {
        "tokenizer": pipeline_tokenizer(),
        "processor": qwen2_processor(pipeline_tokenizer(), IMAGE_PIXELS),
        "text_encoder": build_text_encoder(SIZE, pipeline_tokenizer()),
    }
    return getattr(diffusers, class_name)(**(parts | own))
