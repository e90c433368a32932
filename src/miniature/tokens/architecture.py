"""The miniature token editor's parts: real Emu3 classes at a few million parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.miniature.editor.architecture import IMAGE_SIDE, train_pieces
from src.miniature.tokens.initial_weights import write_codes
from src.miniature.tokens.picture_tokens import CELL
from src.models.tokens.emu3.tokenizer import with_emu3_tokens
from src.models.tokens.vocabulary import NAMES, PLACEHOLDER, code_name

if TYPE_CHECKING:
    from transformers import Emu3ForConditionalGeneration, Emu3Processor, Emu3VQVAE, PreTrainedTokenizerFast


@dataclass(frozen=True)
class LanguageModelSize:
    """The widths and depths of the language model; the defaults are the shipped ones.

    Attributes:
        pieces: Entries of the byte-level BPE of texts.
        width: Hidden width.
        inner: Width within the feed-forward layers.
        layers: Decoder layers.
        heads: Attention heads of each.
    """

    pieces: int = 1408
    width: int = 192
    inner: int = 512
    layers: int = 5
    heads: int = 6


def build_tokenizer(texts: Iterable[str], pieces: int, codes: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of `texts`, the tokens around pictures and those of `codes` codes.

    Codes are entries of the vocabulary that no text is cut into, and none of the special tokens: thousands of these
    would make up most of the folder.
    """
    from tokenizers import Tokenizer, models
    from transformers import Qwen2Tokenizer

    words, merges = train_pieces(texts, pieces)
    special = [PLACEHOLDER, *NAMES.values()]
    for name in (*special, *map(code_name, range(codes))):
        words[name] = len(words)
    made = Tokenizer(models.BPE(vocab=words, merges=merges))
    made.pre_tokenizer = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    return with_emu3_tokens(made, special)


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Emu3Processor:
    """The processor of texts and pictures; pictures of `IMAGE_SIDE` keep their size."""
    from transformers import Emu3ImageProcessor, Emu3Processor

    pixels = IMAGE_SIDE * IMAGE_SIDE
    half = [0.5, 0.5, 0.5]
    pictures = Emu3ImageProcessor(
        min_pixels=pixels, max_pixels=pixels, spatial_factor=CELL, image_mean=half, image_std=half
    )
    return Emu3Processor(pictures, tokenizer)


def build_token_editor(
    size: LanguageModelSize, vqvae: Emu3VQVAE, tokenizer: PreTrainedTokenizerFast
) -> Emu3ForConditionalGeneration:
    """The editor around a finished VQ-VAE; the embeddings of codes are a random map of its codebook."""
    import torch
    from transformers import Emu3Config, Emu3ForConditionalGeneration, Emu3TextConfig

    words = tokenizer.get_vocab()
    text = Emu3TextConfig(
        vocab_size=len(words),
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        pad_token_id=words[NAMES["pad"]],
        bos_token_id=words[NAMES["bos"]],
        eos_token_id=words[NAMES["eos"]],
        attention_dropout=0.0,
        tie_word_embeddings=True,
    )
    pictures = vqvae.config.to_dict()
    pictures.pop("_name_or_path", None)  # the folder that it was loaded from, which is nobody else's
    model = Emu3ForConditionalGeneration(
        Emu3Config(vq_config=pictures, text_config=text, vocabulary_map=words, tie_word_embeddings=True)
    )
    model.model.vqmodel.load_state_dict(vqvae.state_dict())
    codebook = vqvae.quantize.embedding.weight.detach()
    first = words[code_name(0)]
    with torch.no_grad():
        write_codes(model.get_input_embeddings().weight[first : first + len(codebook)], codebook)
    return model
