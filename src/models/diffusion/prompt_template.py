"""How many leading tokens of a Qwen edit prompt are fixed text and must be dropped after encoding.

The pipelines encode `system text + user turn` and hand the transformer only the hidden states of the user turn. They
cut off a constant number of tokens, which fits the tokenizer they were released with and no other.
"""

from __future__ import annotations

from typing import Any

USER_TURN = "<|im_start|>user\n"


def template_prefix_length(tokenizer: Any, template: str) -> int:
    """The number of tokens of `template` up to and including the opening of the user turn.

    Args:
        tokenizer: A `transformers` tokenizer: called with a text, it answers with `input_ids`.
        template: A pipeline's prompt template, e.g. `pipeline.prompt_template_encode`.

    Raises:
        ValueError: The template opens no user turn.
    """
    head, opening, _ = template.partition(USER_TURN)
    if not opening:
        raise ValueError(
            f"prompt template {template[:60]!r}… has no {USER_TURN!r}, so the length of its fixed prefix is unknown. "
            "Use a chat template that opens a user turn."
        )
    return len(tokenizer(head + opening, add_special_tokens=False)["input_ids"])
