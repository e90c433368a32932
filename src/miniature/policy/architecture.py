"""The miniature policy's parts: the real Qwen2.5-VL classes, begun from the text encoder of the miniature editor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from src.miniature.editor.architecture import EditorSize, build_processor, build_text_encoder, build_tokenizer
from src.miniature.judge.architecture import CHAT_TEMPLATE
from src.models.vlm.prompts import Language, load_prompt
from src.models.vlm.tags import REWRITE_TAGS

if TYPE_CHECKING:
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor, Qwen2Tokenizer

LANGUAGES: tuple[Language, ...] = get_args(Language)
POLICY_SIZE = EditorSize(text_layers=4)
"""The widths of the editor's text encoder, whose weights the policy begins from, and one layer more."""

_GAP = "\0"


def rewrite_messages(instruction: str, language: Language) -> list[dict[str, Any]]:
    """The conversation of the first-pass rewriting protocol, with a place for the picture before the user's words."""
    system, user = load_prompt("rewrite", "first_pass", language).render(edit_instruction=instruction)
    return [
        {"role": "system", "content": [{"type": "text", "text": system}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": user}]},
    ]


def fixed_texts() -> list[str]:
    """What becomes one token each: the tags, and every text that is the same in all rewriting prompts."""
    tags = [text for tag in REWRITE_TAGS for text in (f"<{tag}>", f"</{tag}>")]
    return list(dict.fromkeys([*tags, *filter(str.strip, _prompt_pieces())]))


def _prompt_pieces() -> Iterator[str]:
    for language in LANGUAGES:
        for message in rewrite_messages(_GAP, language):
            yield from message["content"][-1]["text"].split(_GAP)


def build_policy_tokenizer(texts: Iterable[str], vocabulary: int) -> Qwen2Tokenizer:
    """Trains the tokenizer on `texts`; with `fixed_texts` as one token each, a prompt is about 50 tokens."""
    tokenizer = build_tokenizer(texts, vocabulary, fixed_texts())
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    tokenizer.padding_side = "left"
    return tokenizer


def build_policy_processor(tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLProcessor:
    """The processor with the chat template; every image becomes about 64×64 pixels, 16 tokens."""
    from transformers import Qwen2_5_VLProcessor

    parts = build_processor(tokenizer)
    return Qwen2_5_VLProcessor(
        image_processor=parts.image_processor,
        tokenizer=tokenizer,
        video_processor=parts.video_processor,
        chat_template=CHAT_TEMPLATE,
    )


def build_policy(size: EditorSize, tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained Qwen2.5-VL; its initial weights come from torch's global generator."""
    policy = build_text_encoder(size, tokenizer)
    policy.generation_config.eos_token_id = tokenizer.eos_token_id
    policy.generation_config.pad_token_id = tokenizer.pad_token_id
    return policy


def begin_from_editor(policy: Qwen2_5_VLForConditionalGeneration, tokenizer: Qwen2Tokenizer, editor: Path) -> None:
    """Copies, in place, all that the editor's text encoder knows: its layers, its eyes and its words.

    Layers that the policy has beyond those of the editor keep their initial weights.

    Args:
        policy: With the widths of the editor's text encoder.
        tokenizer: The tokenizer of the policy. A token that the editor does not know begins as the mean of the editor's
            tokens for its text.
        editor: Folder of the editor's pipeline.
    """
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

    known = Qwen2_5_VLForConditionalGeneration.from_pretrained(editor / "text_encoder", dtype=torch.float32)
    words = known.get_input_embeddings().weight.detach()
    known_tokenizer = Qwen2Tokenizer.from_pretrained(editor / "tokenizer")
    weights = {
        name: value for name, value in known.model.state_dict().items() if not name.endswith("embed_tokens.weight")
    }
    policy.model.load_state_dict(weights, strict=False)
    with torch.no_grad():
        policy.get_input_embeddings().weight.copy_(_translated(words, known_tokenizer, tokenizer))


def _translated(words: torch.Tensor, old: Qwen2Tokenizer, new: Qwen2Tokenizer) -> torch.Tensor:
    import torch

    rows = []
    vocabulary = old.get_vocab()
    for token, number in sorted(new.get_vocab().items(), key=lambda entry: entry[1]):
        same = vocabulary.get(token)
        numbers = [same] if same is not None else old(new.decode([number]), add_special_tokens=False)["input_ids"]
        rows.append(words[numbers].mean(dim=0))
    return torch.stack(rows)
