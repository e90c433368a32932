"""The miniature judge's parts: the real Qwen3-VL classes at a few million parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from PIL import Image

from src.data.categories import ENGLISH
from src.miniature.editor.architecture import (
    IMAGE_SIDE,
    PATCH_SIDE,
    build_processor,
    build_tokenizer,
    vision_token_ids,
)
from src.models.vlm.prompts import Language, load_prompt
from src.models.vlm.question import before_and_after

if TYPE_CHECKING:
    from transformers import Qwen2Tokenizer, Qwen3VLForConditionalGeneration, Qwen3VLProcessor

LANGUAGES: tuple[Language, ...] = get_args(Language)
LONGEST_PROMPT = 4096
"""Positions: prompts of other protocols, whose texts are no single tokens, are far longer than those of training."""

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The turns of Qwen's chat format, without its tools and videos."""

_GAP = "\0"


@dataclass(frozen=True, slots=True)
class JudgeSize:
    """The widths and depths of the judge; the defaults are the shipped ones. Attention heads are 64 wide (for vLLM).

    Attributes:
        vocabulary: Entries of the byte-level BPE, special tokens and fixed texts included.
        text_width: Hidden width of the language model, a multiple of 64.
        text_layers: Its decoder layers.
        vision_width: Hidden width of the vision tower, a multiple of 64.
        vision_layers: Its blocks; the first also feeds the language model directly (DeepStack).
    """

    vocabulary: int = 2048
    text_width: int = 192
    text_layers: int = 6
    vision_width: int = 128
    vision_layers: int = 2


def fixed_texts() -> list[str]:
    """Every text that is the same in all questions of the category protocol, found by rendering its prompts."""
    return list(dict.fromkeys(text.strip() for text in _rendered_pieces() if text.strip()))


def _rendered_pieces() -> Iterator[str]:
    blank = Image.new("RGB", (1, 1))
    for language in LANGUAGES:
        yield from (shown.label for shown in before_and_after(blank, blank, language))
        for name in ENGLISH.values():
            system, user = load_prompt("category", name, language).render(
                original_description=_GAP, edit_instruction=_GAP, rationale=_GAP, reference=False
            )
            yield system
            yield from user.split(_GAP)


def build_judge_tokenizer(texts: Iterable[str], vocabulary: int) -> Qwen2Tokenizer:
    """Trains the tokenizer on `texts`; each of `fixed_texts` is one token, so a prompt is about a hundred tokens."""
    tokenizer = build_tokenizer(texts, vocabulary, fixed_texts())
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    return tokenizer


def build_judge_processor(tokenizer: Qwen2Tokenizer) -> Qwen3VLProcessor:
    """The processor with the chat template; every image becomes about 64×64 pixels, 16 tokens."""
    from transformers import Qwen3VLProcessor, Qwen3VLVideoProcessor

    return Qwen3VLProcessor(
        image_processor=build_processor(tokenizer).image_processor,
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(patch_size=PATCH_SIDE, merge_size=2, temporal_patch_size=2),
        chat_template=CHAT_TEMPLATE,
    )


def build_judge(size: JudgeSize, tokenizer: Qwen2Tokenizer) -> Qwen3VLForConditionalGeneration:
    """An untrained Qwen3-VL; its initial weights come from torch's global generator."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": size.text_width,
            "intermediate_size": 3 * size.text_width,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": size.text_width // 64,
            "num_key_value_heads": size.text_width // 64,
            "head_dim": 64,
            "max_position_embeddings": LONGEST_PROMPT,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": [12, 10, 10],
                "mrope_interleaved": True,
            },
            "tie_word_embeddings": True,
            **ends,
        },
        vision_config={
            "depth": size.vision_layers,
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_heads": size.vision_width // 64,
            "patch_size": PATCH_SIDE,
            "out_hidden_size": size.text_width,
            "num_position_embeddings": (IMAGE_SIDE // PATCH_SIDE) ** 2,
            "deepstack_visual_indexes": [0],
        },
        **vision_token_ids(tokenizer),
        tie_word_embeddings=True,
    )
    model = Qwen3VLForConditionalGeneration(config)
    for name, value in ends.items():
        setattr(model.generation_config, name, value)
    return model
