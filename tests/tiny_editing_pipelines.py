"""A tiny random checkpoint of every editing pipeline of diffusers, each saved at most once per test session.

`BUILDERS` has one function per pipeline class; the fixture `editing_checkpoint` saves what a test asks for. Sizes are
about the smallest that each class accepts; what a pipeline fixes (layers it reads, channels it expects) is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.miniature.editor.editor_architecture import (
    PATCH_SIDE,
    SPECIAL_TOKENS,
    EditorSize,
    build_processor,
    build_text_encoder,
    build_tokenizer,
)
from tests import tiny_pipelines
from tests.tiny_pipelines import TEXTS

SIZE = EditorSize(vocabulary=300, text_width=64, text_layers=1, vision_width=64, vision_layers=1)
IMAGE_PIXELS = {"shortest_edge": 32 * 32, "longest_edge": 48 * 48}
"""What the processors of vision-language encoders scale pictures to."""
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> Any:
    """Bytes and Qwen's special tokens."""
    made = build_tokenizer(TEXTS, SIZE.vocabulary, whole=())
    made.eos_token, made.pad_token, made.chat_template = "<|im_end|>", "<|endoftext|>", CHAT_TEMPLATE
    made.model_max_length = 512
    return made


def _qwen2_processor() -> Any:
    made = build_processor(tokenizer())
    made.image_processor.size = IMAGE_PIXELS
    made.chat_template = CHAT_TEMPLATE
    return made


def _qwen3_processor(patch: int = PATCH_SIDE, pixels: dict[str, int] = IMAGE_PIXELS) -> Any:
    import transformers

    settings: dict[str, Any] = {"patch_size": patch, "merge_size": 2, "temporal_patch_size": 2}
    return transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(**settings, size=pixels),
        tokenizer=tokenizer(),
        video_processor=transformers.Qwen3VLVideoProcessor(**settings),
        chat_template=CHAT_TEMPLATE,
    )


def _scheduler(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def _token_ids() -> dict[str, int]:
    made = tokenizer()
    return {token: made.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}


def _qwen3_vl(layers: int = 1, width: int = 32, patch: int = PATCH_SIDE) -> Any:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    ids = _token_ids()
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": SIZE.vocabulary,
            "hidden_size": width,
            "intermediate_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "max_position_embeddings": 1024,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 1,
            "patch_size": patch,
            "out_hidden_size": width,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    return Qwen3VLForConditionalGeneration(config)


def _qwen3(layers: int) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=SIZE.vocabulary,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
    )


def _clip(projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tiny_pipelines._clip_tokenizer()),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        projection_dim=16,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=SIZE.vocabulary, d_model=16, d_ff=16, d_kv=8, num_layers=1, num_heads=2))


def _vae(levels: int = 4, **changes: Any) -> Any:
    from diffusers import AutoencoderKL

    settings: dict[str, Any] = {
        "block_out_channels": (8,) * levels,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "shift_factor": 0.1,
        "scaling_factor": 1.5,
    }
    return AutoencoderKL(**(settings | changes))


def _wan_vae() -> Any:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def _flux2_vae() -> Any:
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=2,
        layers_per_block=1,
        norm_num_groups=4,
    )


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


def _pix2pix_xl() -> Any:
    import diffusers

    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=16 + 6 * 8,
    )
    return diffusers.StableDiffusionXLInstructPix2PixPipeline(
        vae=_vae(shift_factor=None),
        text_encoder=_clip(),
        text_encoder_2=_clip(projected=True),
        tokenizer=tiny_pipelines._clip_tokenizer(),
        tokenizer_2=tiny_pipelines._clip_tokenizer(),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(steps_offset=1),
        add_watermarker=False,
    )


def _kontext() -> Any:
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
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=_vae(),
        text_encoder=_clip(),
        tokenizer=tiny_pipelines._clip_tokenizer(),
        text_encoder_2=_t5(),
        tokenizer_2=tokenizer(),
        transformer=transformer,
    )


def _flux2() -> Any:
    import diffusers
    import transformers

    ids = _token_ids()
    text = {
        "model_type": "mistral",
        "vocab_size": SIZE.vocabulary,
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
        text_config=text, vision_config=vision, image_token_index=ids["<|image_pad|>"], vision_feature_layer=-1
    )
    processor = transformers.PixtralProcessor(
        image_processor=transformers.PixtralImageProcessor(
            size={"longest_edge": 32}, patch_size={"height": 8, "width": 8}
        ),
        tokenizer=tokenizer(),
        patch_size=8,
        image_token="<|image_pad|>",
        image_break_token="<|vision_start|>",
        image_end_token="<|vision_end|>",
        chat_template=CHAT_TEMPLATE,
    )
    return diffusers.Flux2Pipeline(
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=_flux2_vae(),
        text_encoder=transformers.Mistral3ForConditionalGeneration(config),
        tokenizer=processor,
        transformer=_flux2_transformer(3 * 16, guided=True),
    )


def _flux2_klein(class_name: str) -> Any:
    import diffusers
    from transformers import Qwen3ForCausalLM

    return getattr(diffusers, class_name)(
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=_flux2_vae(),
        text_encoder=Qwen3ForCausalLM(_qwen3(layers=27)),
        tokenizer=tokenizer(),
        transformer=_flux2_transformer(3 * 16, guided=False),
    )


def _longcat() -> Any:
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
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=_vae(latent_channels=16),
        text_encoder=build_text_encoder(SIZE, tokenizer()),
        tokenizer=tokenizer(),
        text_processor=_qwen2_processor(),
        transformer=transformer,
    )


def _fibo_edit() -> Any:
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
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=SmolLM3ForCausalLM(text),
        tokenizer=tokenizer(),
    )


def _fibo2() -> Any:
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
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=_flux2_vae(),
        text_encoder=_qwen3_vl(layers=35, width=16),
        processor=_qwen3_processor(),
    )


def _z_image_omni() -> Any:
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
        scheduler=_scheduler(),
        vae=_vae(),
        text_encoder=transformers.Qwen3Model(_qwen3(layers=2)),
        tokenizer=tokenizer(),
        transformer=transformer,
        siglip=transformers.Siglip2VisionModel(siglip),
        siglip_processor=transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16),
    )


def _joy(class_name: str, transformer_name: str) -> Any:
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
        scheduler=_scheduler(),
        vae=_wan_vae(),
        text_encoder=_qwen3_vl(),
        tokenizer=tokenizer(),
        transformer=transformer,
        processor=_qwen3_processor(),
    )


def _kandinsky5() -> Any:
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
        vae=_vae(),
        text_encoder=build_text_encoder(SIZE, tokenizer()),
        tokenizer=_qwen2_processor(),
        text_encoder_2=_clip(),
        tokenizer_2=tiny_pipelines._clip_tokenizer(),
        scheduler=_scheduler(),
    )


def _chrono() -> Any:
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
        tokenizer=tokenizer(),
        text_encoder=_t5(),
        image_encoder=transformers.CLIPVisionModel(vision),
        image_processor=transformers.CLIPImageProcessor(size=32, crop_size=32),
        transformer=transformer,
        vae=_wan_vae(),
        scheduler=diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
    )


def _dreamlite(class_name: str) -> Any:
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
        tokenizer=tokenizer(),
        processor=_qwen3_processor(),
        vae=vae,
        unet=unet,
        scheduler=_scheduler(use_dynamic_shifting=True),
    )


def _omnigen() -> Any:
    import diffusers

    transformer = diffusers.OmniGenTransformer2DModel(
        hidden_size=16,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=32,
        num_layers=1,
        time_step_dim=4,
        vocab_size=SIZE.vocabulary,
        pad_token_id=0,
        rope_scaling={"long_factor": [1, 2], "short_factor": [1, 2]},
    )
    return diffusers.OmniGenPipeline(
        transformer=transformer,
        scheduler=_scheduler(invert_sigmas=True, num_train_timesteps=1),
        vae=_vae(shift_factor=None),
        tokenizer=tokenizer(),
    )


def _qwen_image_21() -> Any:
    import diffusers

    vae = diffusers.AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    transformer = diffusers.QwenImage21Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=32,
        axes_dims_rope=(4, 6, 6),
    )
    return diffusers.QwenImage21Pipeline(
        scheduler=_scheduler(use_dynamic_shifting=True),
        vae=vae,
        text_encoder=_qwen3_vl(patch=16),
        processor=_qwen3_processor(
            16, {"shortest_edge": 256 * 256, "longest_edge": 4096 * 4096}
        ),  # a token is 2×2 latents
        transformer=transformer,
    )


def _qwen(class_name: str) -> Any:
    import diffusers

    parts = tiny_pipelines._qwen_pipeline().components
    own = {
        "tokenizer": tokenizer(),
        "processor": _qwen2_processor(),
        "text_encoder": build_text_encoder(SIZE, tokenizer()),
    }
    return getattr(diffusers, class_name)(**(parts | own))


BUILDERS: dict[str, Callable[[], Any]] = {
    "StableDiffusionInstructPix2PixPipeline": tiny_pipelines._pix2pix_pipeline,
    "StableDiffusionXLInstructPix2PixPipeline": _pix2pix_xl,
    "FluxKontextPipeline": _kontext,
    "Flux2Pipeline": _flux2,
    "Flux2KleinPipeline": lambda: _flux2_klein("Flux2KleinPipeline"),
    "Flux2KleinKVPipeline": lambda: _flux2_klein("Flux2KleinKVPipeline"),
    "QwenImageEditPipeline": lambda: _qwen("QwenImageEditPipeline"),
    "QwenImageEditPlusPipeline": lambda: _qwen("QwenImageEditPlusPipeline"),
    "QwenImage21Pipeline": _qwen_image_21,
    "LongCatImageEditPipeline": _longcat,
    "BriaFiboEditPipeline": _fibo_edit,
    "BriaFibo2Pipeline": _fibo2,
    "ZImageOmniPipeline": _z_image_omni,
    "JoyImageEditPipeline": lambda: _joy("JoyImageEditPipeline", "JoyImageEditTransformer3DModel"),
    "JoyImageEditPlusPipeline": lambda: _joy("JoyImageEditPlusPipeline", "JoyImageEditPlusTransformer3DModel"),
    "Kandinsky5I2IPipeline": _kandinsky5,
    "ChronoEditPipeline": _chrono,
    "DreamLitePipeline": lambda: _dreamlite("DreamLitePipeline"),
    "DreamLiteMobilePipeline": lambda: _dreamlite("DreamLiteMobilePipeline"),
    "OmniGenPipeline": _omnigen,
}
"""By the name of the pipeline class."""


def save_checkpoint(class_name: str, folder: Path) -> Path:
    """Writes a checkpoint with the same random weights every time."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = BUILDERS[class_name]()
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                _widen(part)
    pipeline.save_pretrained(folder)
    return folder


def _widen(model: Any) -> None:
    """Zero-initialised layers get weights, so that instruction, source and noise all reach the pixels."""
    import torch

    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=0.15)


@pytest.fixture(scope="session")
def editing_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a pipeline class's checkpoint, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(class_name: str) -> Path:
        if class_name not in made:
            made[class_name] = save_checkpoint(class_name, tmp_path_factory.mktemp(class_name))
        return made[class_name]

    return folder
