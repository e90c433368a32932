"""Real Emu3 checkpoints of some ten thousand random parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from src.models.tokens.picture_grammar import PictureVocabulary
from src.models.tokens.vocabulary import NAMES, code_name, picture_vocabulary
from tests.tiny_parts import once

CODEBOOK = 32
FACTOR = 8
"""Pixels a code: the one that the processor of transformers takes for granted."""


def tiny_tokenizer(codebook: int = CODEBOOK) -> Any:
    """Bytes and the special tokens of Emu3, the tokens of so many codes among them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    added = ["<image>", *NAMES.values(), *(code_name(code) for code in range(codebook))]
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *added]
    made = Tokenizer(models.BPE(vocab={word: place for place, word in enumerate(words)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in added])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token=NAMES["bos"],
        eos_token=NAMES["eos"],
        pad_token=NAMES["pad"],
        extra_special_tokens={
            "image_token": "<image>",
            "boi_token": NAMES["picture_start"],
            "eoi_token": NAMES["picture_end"],
            "image_wrapper_token": NAMES["grid_end"],
            "eof_token": NAMES["frame_end"],
        },
    )


def tiny_vocabulary() -> PictureVocabulary:
    """The ids of `tiny_tokenizer`."""
    words = tiny_tokenizer().get_vocab()
    return picture_vocabulary(words, CODEBOOK, len(words))


def tiny_token_editor(
    seed: int = 0, positions: int = 1024, codebook: int = CODEBOOK, **language: Any
) -> tuple[Any, Any]:
    """An `Emu3ForConditionalGeneration` and its `Emu3Processor`, the same at every call.

    Args:
        seed: Of the weights.
        positions: Of the language model.
        codebook: How many codes there are.
        language: Fields of `Emu3TextConfig` in the place of those here.
    """
    import torch
    from transformers import (
        Emu3Config,
        Emu3ForConditionalGeneration,
        Emu3ImageProcessor,
        Emu3Processor,
        Emu3TextConfig,
        Emu3VQVAEConfig,
    )

    tokenizer = tiny_tokenizer(codebook)
    words = tokenizer.get_vocab()
    vqvae = Emu3VQVAEConfig(
        codebook_size=codebook,
        temporal_downsample_factor=1,
        base_channels=32,
        channel_multiplier=[1, 1, 1, 1],
        num_res_blocks=1,
        attn_resolutions=[],
        hidden_size=32,
    )
    settings = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": positions,
        "pad_token_id": words[NAMES["pad"]],
        "bos_token_id": words[NAMES["bos"]],
        "eos_token_id": words[NAMES["eos"]],
        "attention_dropout": 0.0,
        "initializer_range": 0.3,  # wide enough that every token of the prompt has a say
    }
    text = Emu3TextConfig(**(settings | language))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Emu3ForConditionalGeneration(Emu3Config(vq_config=vqvae, text_config=text, vocabulary_map=words))
    pixels = Emu3ImageProcessor(
        min_pixels=32 * 32, max_pixels=64 * 64, spatial_factor=FACTOR, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    return model.eval(), Emu3Processor(pixels, tokenizer)


@pytest.fixture(scope="session")
@once
def token_editor_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of transformers' layout."""
    folder = tmp_path_factory.mktemp("token_editor")
    for part in tiny_token_editor():
        part.save_pretrained(folder)
    return folder
