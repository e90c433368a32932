"""Tiny random editing pipelines whose instruction a language model or a text encoder reads."""

from __future__ import annotations

from typing import Any

from src.miniature.judge.architecture import CHAT_TEMPLATE
from tests.tiny_parts import (
    VOCABULARY,
    autoencoder,
    clip_text_encoder,
    clip_tokenizer,
    flow_scheduler,
    flux2_autoencoder,
    pipeline_tokenizer,
    pix2pix_unet,
    shifted_autoencoder,
    wan_autoencoder,
)


def _qwen3(layers: int) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
    )


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=VOCABULARY, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2))


def _flux2_transformer(text_width: int, guided: bool) -> Any:
    from diffusers import Flux2Transformer2DModel

    return Flux2Transformer2DModel(
        in_channels=8,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=text_width,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guided,
    )


def pix2pix_xl() -> Any:
    """The pipeline `StableDiffusionXLInstructPix2PixPipeline`."""
    import diffusers

    unet = pix2pix_unet(
        cross_attention_dim=32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + 6 * 8,
    )
    return diffusers.StableDiffusionXLInstructPix2PixPipeline(
        vae=autoencoder(),
        text_encoder=clip_text_encoder(),
        text_encoder_2=clip_text_encoder(projected=True),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
        add_watermarker=False,
    )


def kontext() -> Any:
    """The pipeline `FluxKontextPipeline`."""
    import diffusers

    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return diffusers.FluxKontextPipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=shifted_autoencoder(),
        text_encoder=clip_text_encoder(),
        tokenizer=clip_tokenizer(),
        text_encoder_2=_t5(),
        tokenizer_2=pipeline_tokenizer(),
        transformer=transformer,
    )


def flux2() -> Any:
    """The pipeline `Flux2Pipeline`."""
    import diffusers
    import transformers

    text = {
        "model_type": "mistral",
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 30,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
    }
    vision = {
        "model_type": "pixtral",
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "image_size": 32,
        "patch_size": 8,
    }
    config = transformers.Mistral3Config(
        text_config=text,
        vision_config=vision,
        image_token_index=pipeline_tokenizer().convert_tokens_to_ids("<|image_pad|>"),
        vision_feature_layer=-1,
    )
    processor = transformers.PixtralProcessor(
        image_processor=transformers.PixtralImageProcessor(
            size={"longest_edge": 32}, patch_size={"height": 8, "width": 8}
        ),
        tokenizer=pipeline_tokenizer(),
        patch_size=8,
        image_token="<|image_pad|>",
        image_break_token="<|vision_start|>",
        image_end_token="<|vision_end|>",
        chat_template=CHAT_TEMPLATE,
    )
    return diffusers.Flux2Pipeline(
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=flux2_autoencoder(),
        text_encoder=transformers.Mistral3ForConditionalGeneration(config),
        tokenizer=processor,
        transformer=_flux2_transformer(3 * 16, guided=True),
    )


def flux2_klein(class_name: str) -> Any:
    """The pipeline `class_name`, of the FLUX.2 klein family."""
    import diffusers
    from transformers import Qwen3ForCausalLM

    return getattr(diffusers, class_name)(
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=flux2_autoencoder(),
        text_encoder=Qwen3ForCausalLM(_qwen3(layers=27)),
        tokenizer=pipeline_tokenizer(),
        transformer=_flux2_transformer(3 * 16, guided=False),
    )


def fibo_edit() -> Any:
    """The pipeline `BriaFiboEditPipeline`."""
    import diffusers
    from transformers import SmolLM3Config, SmolLM3ForCausalLM

    text = SmolLM3Config(
        vocab_size=128_001,  # the pipeline itself names token 128000
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    transformer = diffusers.BriaFiboTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        text_encoder_dim=16,
        axes_dims_rope=[0, 4, 4],
    )
    vae = diffusers.AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        is_residual=True,
        scale_factor_spatial=16,
        temperal_downsample=[False, True, True],
    )
    return diffusers.BriaFiboEditPipeline(
        transformer=transformer,
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=SmolLM3ForCausalLM(text),
        tokenizer=pipeline_tokenizer(),
    )


def z_image_omni() -> Any:
    """The pipeline `ZImageOmniPipeline`."""
    import diffusers
    import transformers

    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        siglip_feat_dim=16,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 64, 64],
    )
    siglip = transformers.Siglip2VisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_patches=16,
        patch_size=8,
    )
    return diffusers.ZImageOmniPipeline(
        scheduler=flow_scheduler(),
        vae=shifted_autoencoder(),
        text_encoder=transformers.Qwen3Model(_qwen3(layers=2)),
        tokenizer=pipeline_tokenizer(),
        transformer=transformer,
        siglip=transformers.Siglip2VisionModel(siglip),
        siglip_processor=transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16),
    )


def chrono() -> Any:
    """The pipeline `ChronoEditPipeline`."""
    import diffusers
    import transformers

    transformer = diffusers.ChronoEditTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=36,
        out_channels=16,
        text_dim=16,
        freq_dim=32,
        ffn_dim=32,
        num_layers=1,
        image_dim=16,
        rope_max_seq_len=64,
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    return diffusers.ChronoEditPipeline(
        tokenizer=pipeline_tokenizer(),
        text_encoder=_t5(),
        image_encoder=transformers.CLIPVisionModel(vision),
        image_processor=transformers.CLIPImageProcessor(size=32, crop_size=32),
        transformer=transformer,
        vae=wan_autoencoder(),
        scheduler=diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
    )


def omnigen() -> Any:
    """The pipeline `OmniGenPipeline`."""
    import diffusers

    transformer = diffusers.OmniGenTransformer2DModel(
        hidden_size=16,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=32,
        num_layers=1,
        time_step_dim=4,
        vocab_size=VOCABULARY,
        pad_token_id=0,
        rope_scaling={"long_factor": [1, 2], "short_factor": [1, 2]},
    )
    return diffusers.OmniGenPipeline(
        transformer=transformer,
        scheduler=flow_scheduler(invert_sigmas=True, num_train_timesteps=1),
        vae=autoencoder(),
        tokenizer=pipeline_tokenizer(),
    )
