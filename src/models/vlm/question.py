"""What is said to a vision-language model and by it: `Question` in, `Reply` out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from PIL import Image

_LATER = ("top_p", "top_k", "seed")
"""Settings of sampling that keys of stored verdicts do not hold."""


@dataclass(frozen=True)
class Sampling:
    """How a reply is made where a published protocol says so."""

    temperature: float | None
    """None sends none, so that the server's own default holds."""
    max_tokens: int | None
    """The longest reply, in tokens; None sends none."""
    top_p: float | None = None
    """Probability of the nucleus that is drawn from; None sends none."""
    top_k: int | None = None
    """How many of the most probable tokens are drawn from; None sends none, as OpenAI's own server knows no such
    setting."""
    seed: int | None = None
    """The seed of the first reply; each repeat takes the next one, in a request of its own. None leaves it to the
    model's own settings."""


@dataclass(frozen=True)
class Delivery:
    """How a question is put on the wire where a published protocol says so, in the place of its model's own settings.

    A model on this machine follows the order of text and images. It gets the pixels without a codec, and how it samples
    stays its own setting.
    """

    text_first: bool
    """Whether the text stands before the images; else after them."""
    image_format: Literal["png", "jpeg"]
    """Images are sent with all their pixels, whatever the longest side of the model's own settings."""
    image_quality: int | None = None
    """JPEG quality, 1–100; None for PNG."""
    detail: Literal["low", "high"] | None = None
    """The `detail` that is asked for with each image; None sends none."""
    sampling: Sampling | None = None
    """None leaves it to the model's own settings."""

    def key(self) -> dict[str, Any]:
        """What tells it from others; JSON-able. Settings that came later are there where they are set alone."""
        told = asdict(self)
        if self.sampling is not None:
            told["sampling"] = {
                name: value for name, value in told["sampling"].items() if value is not None or name not in _LATER
            }
        return told


@dataclass(frozen=True)
class LabelledImage:
    """An image and the words that introduce it."""

    label: str
    image: Image.Image


@dataclass(frozen=True)
class Question:
    """One prompt for a vision-language model.

    It is laid out as system prompt, then each image after its label, then the text: questions about the same images
    share the longest possible prefix, which servers compute once.
    """

    system_prompt: str
    images: tuple[LabelledImage, ...]
    text: str
    schema: Mapping[str, Any] | None = None
    """JSON schema of the wanted answer, for models that can enforce one; others answer in plain text."""
    score_range: tuple[float, float] = (0.0, 10.0)
    """The scale that the text names, for models that compute an expected score from token probabilities."""
    delivery: Delivery | None = None
    """How it has to be sent; None for the layout above and the model's own settings."""


@dataclass(frozen=True)
class Reply:
    """What came back: a text, or the reason why there is none."""

    text: str = ""
    finish_reason: str | None = None
    """Why the model stopped, in the server's words; `length` means that the text is cut off."""
    expected_score: float | None = None
    """Mean over the probabilities of the score's tokens, on the question's scale, where the model computes it. It
    refines the score that the text gives; in a text without a score it counts for nothing."""
    refusal: str | None = None
    """The model declined, in these words."""
    error: str | None = None
    """No answer after all retries, and why."""
    tokens: tuple[int, ...] = ()
    """The token ids of the text as they were sampled, without the one that ended it; of models in this process."""
    usage: dict[str, float] = field(default_factory=dict)
    """`calls`, `prompt_tokens`, `completion_tokens`, `cost` …"""
    model: str = ""
    """The model that answered, as resolved by the server."""
    seconds: float = 0.0


Picture = Literal["source", "edited", "reference"]

LABELS: dict[Literal["en", "zh"], dict[Picture, str]] = {
    "en": {
        "source": "The image before the edit:",
        "edited": "The image after the edit:",
        "reference": "A right result, for comparison:",
    },
    "zh": {"source": "编辑前的图像：", "edited": "编辑后的图像：", "reference": "用于比较的正确结果："},
}
"""The words that introduce each picture of a question about an edit."""

GENERATED: dict[Literal["en", "zh"], str] = {"en": "The image:", "zh": "图像："}
"""The words that introduce a picture that was made of text alone."""


_SEVERAL = {"en": "Image {place} of {count} before the edit:", "zh": "编辑前的图像（第 {place} 张，共 {count} 张）："}


def source_labels(language: Literal["en", "zh"], count: int) -> list[str]:
    """The words that introduce each of the source pictures of a sample."""
    if count == 1:
        return [LABELS[language]["source"]]
    return [_SEVERAL[language].format(place=place, count=count) for place in range(1, count + 1)]


def before_and_after(
    source: Image.Image | None,
    edited: Image.Image,
    language: Literal["en", "zh"] = "en",
    reference: Image.Image | None = None,
) -> tuple[LabelledImage, ...]:
    """The images of a question about an edit: source, edit, reference; those that are not there are left out."""
    shown = zip(LABELS[language].values(), (source, edited, reference), strict=True)
    return tuple(LabelledImage(label, image) for label, image in shown if image is not None)
