"""A tiny random `GlmImagePipeline`: a prior that writes codes of pictures, and a diffusion decoder of these."""

from __future__ import annotations

from typing import Any

from tests.tiny_parts import autoencoder, flow_scheduler

CODES = 64
START, END, PADDING, PICTURE = "<|image_start|>", "<|image_end|>", "<|endoftext|>", "<|image|>"
CHAT = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    f"{START}{PICTURE}{END}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
)
SCALED = {"shortest_edge": 128 * 128, "longest_edge": 256 * 256}
"""To at least, and at most, the square root of this many pixels a side its processor scales a source."""


def glm_image_pipeline() -> Any:
    """The pipeline `GlmImagePipeline`."""
    import diffusers
    from transformers import ByT5Tokenizer, GlmImageImageProcessor, GlmImageProcessor, T5Config, T5EncoderModel

    tokenizer = _tokenizer()
    pixels = GlmImageImageProcessor(patch_size=16, merge_size=1, temporal_patch_size=1, size=SCALED)
    transformer = diffusers.GlmImageTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        text_embed_dim=16,
        time_embed_dim=16,
        condition_dim=8,
        prior_vq_quantizer_codebook_size=CODES,
    )
    return diffusers.GlmImagePipeline(
        tokenizer=ByT5Tokenizer(),
        processor=GlmImageProcessor(pixels, tokenizer, chat_template=CHAT),
        text_encoder=T5EncoderModel(T5Config(vocab_size=384, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)),
        vision_language_encoder=_prior(tokenizer),
        vae=autoencoder(latents_mean=[0.0] * 4, latents_std=[1.0] * 4),
        transformer=transformer,
        scheduler=flow_scheduler(),
    )


def _tokenizer() -> Any:
    """Codes first, as the head of the prior has none but these; then bytes."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [*(f"<|code_{code}|>" for code in range(CODES)), START, END, PADDING, PICTURE, "<sop>", "<eop>"]
    words = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE(vocab={word: place for place, word in enumerate(words)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
    named = {"image_token": PICTURE, "grid_bos_token": "<sop>", "grid_eos_token": "<eop>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=START, eos_token=PADDING, pad_token=PADDING, extra_special_tokens=named
    )


def _prior(tokenizer: Any) -> Any:
    from transformers import GlmImageConfig, GlmImageForConditionalGeneration

    ids = tokenizer.get_vocab()
    text = {
        "vocab_size": len(tokenizer),
        "vision_vocab_size": CODES,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "initializer_range": 0.3,  # wide enough that the instruction changes the codes
        "pad_token_id": ids[PADDING],
        "eos_token_id": ids[END],
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": (4, 2, 2)},
    }
    vision = {
        "depth": 1,
        "hidden_size": 32,
        "num_heads": 2,
        "image_size": 64,
        "patch_size": 16,
        "intermediate_size": 32,
    }
    config = GlmImageConfig(
        text_config=text,
        vision_config=vision,
        vq_config={"embed_dim": 32, "num_embeddings": CODES, "latent_channels": 32},
        image_token_id=ids[PICTURE],
        image_start_token_id=ids[START],
        image_end_token_id=ids[END],
    )
    return GlmImageForConditionalGeneration(config)
