"""The miniature judge's prompts, token for token as `Qwen3VLRewardModel` asks them, and long prompts of other kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src.data.categories import ENGLISH
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.miniature.editor.batches import IMAGE_TOKENS
from src.models.vlm.prompts import PROMPTS_FOLDER, Language, load_prompt
from src.models.vlm.question import before_and_after

if TYPE_CHECKING:
    from transformers import Qwen3VLProcessor

LONGEST_RUBRIC = 1_900
"""Tokens of the longest foreign rubric that training reads."""


class JudgePrompts:
    """Token ids of questions, through `CategoryScorer`'s prompts and the judge's chat template."""

    def __init__(self, processor: Qwen3VLProcessor) -> None:
        self._processor = processor
        self._blank = Image.new("RGB", (1, 1))
        self._texts = [path.read_text(encoding="utf-8") for path in sorted(PROMPTS_FOLDER.rglob("*.j2"))]

    def ids(
        self, samples: Sequence[EditSample], languages: Sequence[Language], rubrics: Sequence[str]
    ) -> list[list[int]]:
        """The prompts of `samples`, each in its language, up to where the reply begins.

        Args:
            samples: What is asked about.
            languages: One for each.
            rubrics: A system prompt for each; an empty one stands for that of the category.
        """
        texts = [self._chat(*question) for question in zip(samples, languages, rubrics, strict=True)]
        ids: list[list[int]] = self._processor.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def foreign_rubric(self, rng: np.random.Generator) -> str:
        """A text that training questions bear instead of a rubric now and then: pieces of all prompts, of any length.

        The judge reads most of it as single bytes. It has to answer nevertheless.
        """
        pieces: list[str] = []
        length, wanted = 0, int(rng.integers(40, LONGEST_RUBRIC))
        while length < wanted:
            text = self._texts[rng.integers(len(self._texts))]
            first = int(rng.integers(len(text)))
            piece = text[first : first + int(rng.integers(20, 300))]
            ids = self._processor.tokenizer(piece, add_special_tokens=False)["input_ids"][: wanted - length]
            pieces.append(self._processor.tokenizer.decode(ids))
            length += len(ids)
        return "".join(pieces)

    def _chat(self, sample: EditSample, language: Language, rubric: str) -> str:
        system, user = load_prompt("category", ENGLISH[sample.category], language).render(
            original_description=sample.description,
            edit_instruction=sample.instruction,
            rationale=sample.rationale,
            reference=False,
        )
        content: list[dict[str, str]] = []
        for shown in before_and_after(self._blank, self._blank, language):
            content += [{"type": "text", "text": shown.label}, {"type": "image"}]
        content.append({"type": "text", "text": user})
        chat = self._processor.tokenizer.apply_chat_template(
            [
                {"role": "system", "content": [{"type": "text", "text": rubric or system}]},
                {"role": "user", "content": content},
            ],
            chat_template=self._processor.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
        return str(chat).replace("<|image_pad|>", "<|image_pad|>" * IMAGE_TOKENS)


def as_sample(category: str, instruction: str, description: str, rationale: str | None) -> EditSample:
    """A sample as scorers get it; its pictures are passed beside it."""
    return EditSample(
        sample_id="miniature",
        index=0,
        category=category,
        instruction=instruction,
        description=description,
        source=LazyImage(base64_text=""),
        rationale=rationale,
    )
