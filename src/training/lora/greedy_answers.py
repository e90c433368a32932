"""Answers of a vision-language model to fixed questions about a fixed picture, and whether two models agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from src.errors import ModelError

if TYPE_CHECKING:
    import torch

QUESTIONS = (
    "Describe the picture in one sentence.",
    "Instruction: make it look like late autumn.",
    "哪一边更亮？",
)
LONGEST_ANSWER = 24
"""The most tokens of an answer."""
_PICTURE_SIDE = 112


@dataclass(frozen=True)
class GreedyAnswer:
    """A greedy answer, with the logits of every token that could have stood in its place."""

    tokens: list[int]
    logits: torch.Tensor
    """Logits of shape (number of tokens, vocabulary), on the CPU, float32."""


@dataclass(frozen=True)
class AnswerAgreement:
    """How alike two models answered, up to the first different token of each answer."""

    tokens: int
    """Number of tokens in the first model's answers."""
    same_tokens: int
    """Number of these tokens that the second model gave as well."""
    largest_logit_difference: float
    closest_call: float
    """The largest lead, in logits, that a token of the first model had over the second model's other choice; 0 where
    no token differs. A small one is a tie that rounding decides, a large one another answer."""


def greedy_answers(model: Any, processor: Any) -> list[GreedyAnswer]:
    """Returns one answer to each question.

    Raises:
        ModelError: the processor has no chat template.
    """
    if not processor.chat_template:
        raise ModelError("the base model's processor has no chat template; name the instruct model as --base")
    return [_answer(model, processor, question) for question in QUESTIONS]


def _answer(model: Any, processor: Any, question: str) -> GreedyAnswer:
    import torch
    from transformers import GenerationConfig

    content = [{"type": "image"}, {"type": "text", "text": question}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[prompt], images=[_picture()], return_tensors="pt").to(model.device)
    stored = model.generation_config
    settings = GenerationConfig(
        do_sample=False,
        max_new_tokens=LONGEST_ANSWER,
        eos_token_id=stored.eos_token_id,
        pad_token_id=stored.pad_token_id,
        output_logits=True,
        return_dict_in_generate=True,
    )
    model.generation_config = settings  # what a call leaves unset would come from the checkpoint's, such as penalties
    try:
        with torch.inference_mode():
            generated = model.generate(**inputs, generation_config=settings)
    finally:
        model.generation_config = stored
    logits = torch.cat(generated.logits).float().cpu()
    return GreedyAnswer(generated.sequences[0, -len(logits) :].tolist(), logits)


def _picture() -> Image.Image:
    ramp = Image.linear_gradient("L").resize((_PICTURE_SIDE, _PICTURE_SIDE))
    return Image.merge("RGB", (ramp, ramp.transpose(Image.Transpose.ROTATE_90), Image.new("L", ramp.size, 90)))


def answer_agreement(first: Sequence[GreedyAnswer], second: Sequence[GreedyAnswer]) -> AnswerAgreement:
    """Compares two models' answers to the same questions."""
    same = total = 0
    largest = closest = 0.0
    for mine, other in zip(first, second, strict=True):
        total += len(mine.tokens)
        for position, (token, choice) in enumerate(zip(mine.tokens, other.tokens, strict=False)):
            row = mine.logits[position]
            largest = max(largest, float((row - other.logits[position]).abs().max()))
            if token != choice:
                closest = max(closest, float(row[token] - row[choice]))
                break
            same += 1
    return AnswerAgreement(total, same, largest, closest)
