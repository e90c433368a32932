"""`ThinkingEncoder`: a pipeline's text encoder writes a completion before its conditioning is encoded."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from typing import Any, Literal

import pydantic
from PIL import Image

from src.errors import ModelError
from src.models.base import ModelParams
from src.models.device import pick_dtype
from src.models.diffusion.conditioning import (
    Conditioner,
    Conditioning,
    ConditioningRequest,
    chat_template,
    system_text,
)
from src.models.vlm.adapter import with_adapter
from src.models.vlm.question import LabelledImage, Question, Reply
from src.models.vlm.seeded_sampling import Temperature, question_seed
from src.models.vlm.transformers_model import TransformersModel
from src.models.weights import pinned, resolve_revision

logger = logging.getLogger(__name__)

_END = "<|im_end|>"
"""What ends a turn in Qwen's chat format."""
_DRAWS = 2
"""Raise it when thoughts are drawn in another way. Of 1, equal prompts depended on what shared their call."""
_KEPT_OUT = frozenset({"batch_size", "revision"})
"""Settings that change no edit, but for rounding, which `QwenPipelineModel.identity` sees to."""


class ThinkSettings(ModelParams):
    """How a text encoder thinks before it paints."""

    policy: str | None = None
    """Hub id or folder of a trained text encoder; None is the checkpoint's own."""
    revision: str | None = None
    adapter: str | None = None
    """Hub id or folder of a PEFT adapter for `policy`."""
    system: str | None = None
    """What the encoder is told before picture and instruction when it writes; None is the pipeline's own system text,
    under which the completion is always encoded."""
    max_new_tokens: int = pydantic.Field(512, ge=1)
    temperature: Temperature = 0.0
    """0 takes the likeliest tokens; above, they are drawn."""
    seed: int = 0
    """Seed of the draws, together with that of the edit."""
    batch_size: int = pydantic.Field(8, ge=1)
    """How many completions are written at once."""
    max_tokens: int | None = pydantic.Field(None, ge=1)
    """The most tokens of a conditioning; the end of a completion that is too long is dropped, never of the prompt."""
    negative_prompt_from: Literal["initial", "present"] = "initial"
    """Whose embeddings a negative prompt has: those of the checkpoint's text encoder, or those of `policy`."""

    @pydantic.model_validator(mode="after")
    def _adapter_has_a_base(self) -> ThinkSettings:
        if self.adapter is not None and self.policy is None:
            raise ValueError("adapter: name as policy the text encoder that it was trained on")
        return self

    def identity(self) -> dict[str, Any]:
        """What decides the conditionings; JSON-able.

        Raises:
            ModelError: weights are missing.
        """
        kept = self.model_dump(mode="json", exclude=set(_KEPT_OUT))
        weights = [resolve_revision(self.policy, self.revision)] if self.policy else []
        weights += [resolve_revision(self.adapter)] if self.adapter else []
        draws = {"draws": _DRAWS} if self.temperature else {}
        return kept | draws | ({"weights": "+".join(weights)} if weights else {})


def needs_own_encoder(negative_prompt_from: str, guidance: float) -> bool:
    """Whether a pipeline still needs the text encoder that it came with when another one thinks for it."""
    return guidance > 1 and negative_prompt_from == "initial"


def policy_processor(pipeline: Any) -> Any:
    """Returns a copy of the pipeline's processor, by which its text encoder can write under the pipeline's own prompt.

    Pictures get the size that the encoder of the pipeline sees, and prompts are padded on the left. A pipeline of text
    alone has a tokenizer and no processor: it gets the one of Qwen2.5-VL, which is never given a picture.
    """
    own = getattr(pipeline, "processor", None)
    processor = _processor_around(copy.deepcopy(pipeline.tokenizer)) if own is None else copy.deepcopy(own)
    processor.chat_template = chat_template(type(pipeline).__name__)
    processor.tokenizer.chat_template = None
    processor.tokenizer.padding_side = processor.tokenizer.truncation_side = "left"
    if _END in processor.tokenizer.get_vocab():
        processor.tokenizer.eos_token = _END
    processor.tokenizer.pad_token = processor.tokenizer.pad_token or processor.tokenizer.eos_token
    return processor


def _processor_around(tokenizer: Any) -> Any:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    return Qwen2_5_VLProcessor(Qwen2VLImageProcessor(), tokenizer, Qwen2VLVideoProcessor())


class ThinkingEncoder(TransformersModel):
    """Writes completions with the text encoder of a loaded pipeline, or with one that was trained from it.

    Args:
        settings: How it thinks.
        pipeline: The diffusers pipeline.
        device: Where the encoder computes.
        dtype: Number type of trained weights, as the editor's param; an adapter is in float32.

    Raises:
        ModelError: the trained weights are missing, or do not fit.
    """

    def __init__(self, settings: ThinkSettings, pipeline: Any, device: str, dtype: str) -> None:
        self.settings = settings
        self._pipe = pipeline
        self._conditioner = Conditioner(pipeline, settings.max_tokens)
        self._system = system_text(pipeline.prompt_template_encode) if settings.system is None else settings.system
        written = {name: getattr(settings, name) for name in ("max_new_tokens", "temperature", "seed", "batch_size")}
        name = settings.policy or "the editor's text encoder"
        super().__init__({"model_name": name, "device": device, "dtype": dtype, **written})

    def _load(self) -> None:
        self.processor, self._is_spread = policy_processor(self._pipe), False
        self.model = self._pipe.text_encoder if self.settings.policy is None else self._trained()

    def _trained(self) -> Any:
        import transformers

        name = str(self.settings.policy)
        own = self._pipe.text_encoder
        try:
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                name, dtype=pick_dtype(self.params.dtype, self.device), **pinned(name, self.settings.revision)
            ).eval()
        except (OSError, ValueError) as error:
            raise ModelError(f"think.policy: {name} cannot be loaded as a text encoder ({error})") from error
        require_same_reader(model.config, own.config, f"think.policy: {name}")
        if self.settings.adapter is not None:
            model = with_adapter(model, self.settings.adapter).get_base_model()
        return model.to(self.device)

    def conditionings(
        self, pictures: Sequence[Sequence[Image.Image]], instructions: Sequence[str], seeds: Sequence[int]
    ) -> list[Conditioning]:
        """Writes a completion for each instruction, and encodes it.

        Args:
            pictures: For each instruction, what the pipeline shows to its text encoder.
            instructions: The users' words, without special tokens.
            seeds: Those of the edits: with `ThinkSettings.seed` and the question they decide what is drawn, whatever
                is written in the same call.

        Raises:
            ModelError: a completion could not be written.
        """
        asked = [self._question(*about) for about in zip(pictures, instructions, strict=True)]
        drawn = [question_seed(one, self.settings.seed, seed) for one, seed in zip(asked, seeds, strict=True)]
        rows = zip(pictures, instructions, self.ask_seeded(asked, drawn), strict=True)
        return [self._conditioning(tuple(images), instruction, reply) for images, instruction, reply in rows]

    def _question(self, pictures: Sequence[Image.Image], instruction: str) -> Question:
        return Question(self._system, tuple(LabelledImage("", image) for image in pictures), instruction)

    def _conditioning(self, pictures: tuple[Image.Image, ...], instruction: str, reply: Reply) -> Conditioning:
        if reply.error is not None:
            raise ModelError(f"the text encoder wrote nothing: {reply.error}")
        logger.info("%r made the text encoder think %r", instruction, reply.text)
        request = ConditioningRequest(instruction, pictures, reply.tokens)
        found = self._conditioner.encode(request, self.model, self._pipe.transformer.dtype)
        if found.dropped:
            total = len(reply.tokens)
            logger.warning("the last %d of %d tokens of a thought found no room and were dropped", found.dropped, total)
        return found

    def negative(self, pictures: Sequence[Image.Image], prompt: str) -> Conditioning:
        """Returns the embeddings that the encoder's present weights give to a negative prompt."""
        request = ConditioningRequest(prompt, tuple(pictures))
        return self._conditioner.encode(request, self.model, self._pipe.transformer.dtype)


def require_same_reader(config: Any, own: Any, what: str) -> None:
    """Raises `ModelError` unless both configs are of one architecture, width and vocabulary."""
    for name, found in _reader(config).items():
        if found != (wanted := _reader(own)[name]):
            raise ModelError(
                f"{what} has {name} {found}, and the editor's text encoder has {wanted}: only a model that was trained "
                "from this text encoder can stand in its place"
            )


def _reader(config: Any) -> dict[str, Any]:
    text = config.get_text_config()
    return {"model type": config.model_type, "width": text.hidden_size, "vocabulary": text.vocab_size}
