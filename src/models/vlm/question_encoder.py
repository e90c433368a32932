"""`QuestionEncoder`: questions as the inputs of a vision-language model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from src.models.plain_text import PlainText
from src.models.vlm.question import Question


class QuestionEncoder:
    """Lays questions out by the checkpoint's chat template, and encodes them padded on the left.

    Control tokens in a question's text are encoded as plain text: no instruction can end its turn or insert an image.
    """

    def __init__(self, processor: Any, image_max_side: int | None) -> None:
        """Takes the checkpoint's processor, and the longest side in pixels of what the model sees (None: as it is)."""
        self._processor = processor
        self._plain = PlainText([processor])
        self._image_max_side = image_max_side

    def __call__(self, questions: Sequence[Question]) -> Any:
        """The model's inputs for a batch of questions: token ids (questions × longest prompt, padded left), pixels."""
        return self._processor.apply_chat_template(
            [self._messages(question) for question in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            sanitize_control_tokens=True,
            processor_kwargs={"padding": True},
        )

    def _messages(self, question: Question) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = []
        for picture in question.images:
            images += [self._text(picture.label), {"type": "image", "image": self._seen(picture.image)}]
        text_first = question.delivery is not None and question.delivery.text_first
        text = self._text(question.text)
        user = {"role": "user", "content": [text, *images] if text_first else [*images, text]}
        if not question.system_prompt:
            return [user]
        return [{"role": "system", "content": [self._text(question.system_prompt)]}, user]

    def _text(self, text: str) -> dict[str, str]:
        return {"type": "text", "text": self._plain(text)}

    def _seen(self, image: Image.Image) -> Image.Image:
        side = self._image_max_side
        shrunk = image.convert("RGB")
        if side is not None:
            shrunk.thumbnail((side, side), Image.Resampling.LANCZOS)
        return shrunk
