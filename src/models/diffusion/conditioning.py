"""What a text encoder thought, as the conditioning of its diffusion transformer.

In Qwen-Image and Qwen-Image-Edit the text encoder is a vision-language model (Qwen2.5-VL). Its completion stands where
the pipeline's own prompt template lets the assistant begin, and one forward pass over template and completion gives the
hidden states from which the transformer paints. The token ids that were sampled go into that pass as they are: written
out and read again they might be others. Each row is a pass of its own, so that its embeddings are the same whatever
rows are encoded beside it; a batch exists for the transformer alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from PIL import Image

from src.errors import ModelError
from src.models.diffusion.prompt_template import template_prefix_length

if TYPE_CHECKING:
    import torch

_PICTURE_TEXTS = {
    "QwenImagePipeline": "",
    "QwenImageEditPipeline": "",  # the picture is part of its template
    "QwenImageEditPlusPipeline": "Picture {}: <|vision_start|><|image_pad|><|vision_end|>",
}
"""What stands for a picture before the instruction, by the diffusers classes whose embeddings can be given."""
MOST_TOKENS = {
    "QwenImagePipeline": 1024,
    "QwenImageEditPipeline": 4096 - 256,
    "QwenImageEditPlusPipeline": 4096 - 256,
}
"""The most tokens of a conditioning that a pipeline takes (diffusers 0.42).

Qwen-Image cuts off what is beyond, and allows no more than 1024. The transformer has positions for 4096, after those of
the larger side of its pictures: 256 at 8192 pixels, of a patch of 16 pixels and with as many positions below 0."""
_WITHOUT = {
    "QwenImage21Pipeline": (
        "it takes no embeddings together with a picture (diffusers 0.42: its call has no image_pad_mask, which its "
        "encode_prompt then asks for)"
    )
}
_CHAT_TEMPLATE = """{%- set seen = namespace(pictures=0) -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content -%}
{%- if part.type == 'image' -%}
{%- set seen.pictures = seen.pictures + 1 -%}PICTURE
{%- elif part.type == 'text' -%}{{ part.text }}{%- endif -%}
{%- endfor %}{% endif %}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""


class ConditioningError(ValueError):
    """A completion, or an instruction, that cannot become a conditioning; the text is a sentence part."""


class CompletionError(ConditioningError):
    """The completion is at fault, and not what the user asked."""


@dataclass(frozen=True)
class ConditioningRequest:
    """What is encoded for one edit."""

    instruction: str
    """The user's words, without special tokens."""
    pictures: tuple[Image.Image, ...] = ()
    """The pictures as the pipeline shows them to its text encoder."""
    completion: tuple[int, ...] = ()
    """The token ids of the completion, without those that end it; none for the stock prompt."""


@dataclass(frozen=True, eq=False)
class Conditioning:
    """The embeddings of one edit, on the CPU."""

    embeds: torch.Tensor
    """Hidden states of shape (tokens, width), without the fixed start of the template and without padding."""
    dropped: int = 0
    """Number of tokens of the completion that found no room."""
    negative: Conditioning | None = None
    """The embeddings of the negative prompt; None where the pipeline encodes it itself, or there is no guidance."""

    @cached_property
    def sha256(self) -> str:
        """Hash of all numbers, their type and their shape, those of the negative prompt included."""
        import torch

        told = f"{self.embeds.dtype} {tuple(self.embeds.shape)} {self.negative.sha256 if self.negative else ''}"
        numbers = self.embeds.contiguous().view(torch.uint8).numpy().tobytes()
        return hashlib.sha256(told.encode() + b"\0" + numbers).hexdigest()


def require_conditionable(pipeline: str, model_name: str) -> None:
    """Raises `ModelError` for a diffusers class that cannot be given the embeddings of an edit."""
    if pipeline not in _PICTURE_TEXTS:
        reason = _WITHOUT.get(pipeline, "it is none of the pipelines whose text encoder is known to write and to paint")
        raise ModelError(
            f"{model_name} is a {pipeline}, whose text encoder cannot think first: {reason}; name a checkpoint of "
            f"{', '.join(_PICTURE_TEXTS)}"
        )


def pipeline_template(pipeline: str) -> str:
    """Returns the prompt template of a diffusers class, with `{}` where picture and instruction stand."""
    import inspect

    import diffusers

    loader = getattr(diffusers, pipeline)
    empty = loader(**dict.fromkeys(list(inspect.signature(loader.__init__).parameters)[1:]))
    return str(empty.prompt_template_encode)


def system_text(template: str) -> str:
    """Returns the words of the system turn that opens a prompt template."""
    return template.partition("<|im_start|>system\n")[2].partition("<|im_end|>")[0]


def chat_template(pipeline: str) -> str:
    """Returns the chat template by which a policy samples under the very text that the pipeline's own template gives.

    Messages have a system text and, in the user's turn, pictures before the instruction.
    """
    picture = _PICTURE_TEXTS[pipeline] or "<|vision_start|><|image_pad|><|vision_end|>"
    return _CHAT_TEMPLATE.replace("PICTURE", picture.replace("{}", "{{ seen.pictures }}"))


def content_of(completion: Sequence[int], ends: Collection[int]) -> tuple[int, ...]:
    """Returns the token ids before the first one that ends a completion."""
    return tuple(takewhile(lambda token: token not in ends, completion))


class Conditioner:
    """Lays out what a pipeline's text encoder reads, and has it read.

    Args:
        pipeline: The diffusers pipeline; its text encoder is not used and may be missing.
        max_tokens: The most tokens of a conditioning. Picture and instruction are never cut: what is too much are the
            last tokens of the completion. None leaves it to the pipeline and the encoder's positions.

    Raises:
        ModelError: a pipeline that cannot be given embeddings of an edit.
    """

    def __init__(self, pipeline: Any, max_tokens: int | None = None) -> None:
        name = type(pipeline).__name__
        require_conditionable(name, name)
        self._pipe = pipeline
        self._picture_text = _PICTURE_TEXTS[name]
        self._most = min(MOST_TOKENS[name], max_tokens or MOST_TOKENS[name])
        self._template: str = pipeline.prompt_template_encode
        self._prefix = template_prefix_length(pipeline.tokenizer, self._template)

    def text(self, request: ConditioningRequest) -> str:
        """Returns the prompt up to the assistant's turn, exactly as the pipeline writes it."""
        numbers = range(1, len(request.pictures) + 1)
        pictures = "".join(self._picture_text.format(number) for number in numbers)
        return self._template.format(pictures + request.instruction)

    def encode(self, request: ConditioningRequest, encoder: Any, dtype: torch.dtype) -> Conditioning:
        """Runs the encoder once over prompt and completion.

        Args:
            request: What is read.
            encoder: The text encoder with its present weights: whole, in whatever wrapper calls it.
            dtype: Number type of the result, the pipeline's own.

        Raises:
            ConditioningError: the prompt alone is too long, or the completion holds what stands for a picture.
        """
        inputs = self._inputs(request)
        kept = request.completion[: self._room(inputs["input_ids"].shape[1], encoder.config, request)]
        _require_no_picture(kept, encoder.config)
        embeds = self._read(inputs, kept, encoder)[self._prefix :].to(dtype=dtype, device="cpu")
        return Conditioning(embeds, dropped=len(request.completion) - len(kept))

    def pass_over(self, request: ConditioningRequest, encoder: Any) -> None:
        """Makes the pass of a prompt that cannot be encoded: processes that share a sharded encoder wait for it."""
        self._read(self._inputs(request), (), encoder)

    @staticmethod
    def _read(inputs: dict[str, Any], completion: Sequence[int], encoder: Any) -> torch.Tensor:
        """The last hidden states (tokens, width) of a prompt with a completion."""
        import torch

        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        written = torch.tensor([completion], dtype=ids.dtype)
        whole = {
            **inputs,
            "input_ids": torch.cat([ids, written], dim=1),
            "attention_mask": torch.cat([mask, torch.ones_like(written)], dim=1),
        }
        device = next(encoder.parameters()).device
        with torch.no_grad(), _as_in_use(encoder):
            output = encoder(
                **{name: value.to(device) for name, value in whole.items()},
                output_hidden_states=True,
                use_cache=False,
                logits_to_keep=1,
            )
        found: torch.Tensor = output.hidden_states[-1][0]
        return found

    def _inputs(self, request: ConditioningRequest) -> dict[str, Any]:
        """The tensors that the pipeline gives to its encoder; like it, without `mm_token_type_ids`."""
        text = [self.text(request)]
        if not request.pictures:
            read = self._pipe.tokenizer(text, return_tensors="pt")
            return {name: read[name] for name in ("input_ids", "attention_mask")}
        read = self._pipe.processor(text=text, images=list(request.pictures), padding=True, return_tensors="pt")
        return {name: read[name] for name in ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")}

    def _room(self, prompt: int, config: Any, request: ConditioningRequest) -> int:
        """The number of tokens that are left to the completion."""
        positions = getattr(config.get_text_config(), "max_position_embeddings", None)
        most = self._most + self._prefix if positions is None else min(self._most + self._prefix, positions)
        if prompt > most:
            what, sizes = ("the prompt has", "")
            if request.pictures:
                what, sizes = "picture and instruction have", " lower vl_resolution or condition_resolution,"
            raise ConditioningError(
                f"{what} {prompt - self._prefix} tokens, of which the text encoder is to read {most - self._prefix} at "
                f"most: shorten the words,{sizes} or raise max_tokens"
            )
        return most - prompt


def _require_no_picture(completion: Sequence[int], config: Any) -> None:
    tokens = {getattr(config, f"{kind}_token_id", None) for kind in ("image", "video")} - {None}
    if tokens & {*completion}:
        raise CompletionError("it holds a token that stands for a picture, of which there is none")


@contextmanager
def _as_in_use(encoder: Any) -> Iterator[None]:
    """Without dropout, whatever a training has switched on."""
    training = [module for module in encoder.modules() if module.training]
    encoder.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def stacked(conditionings: Sequence[Conditioning]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns embeddings (rows, longest, width), padded with zeros behind, and the mask (rows, longest) of what counts.

    The stock pipelines pad in the same way.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    embeds = pad_sequence([one.embeds for one in conditionings], batch_first=True)
    lengths = torch.tensor([len(one.embeds) for one in conditionings])
    return embeds, (torch.arange(embeds.shape[1])[None] < lengths[:, None]).long()


class _Shown(Exception):
    """Carries what a pipeline was about to show to its text encoder."""

    def __init__(self, pictures: Any) -> None:
        super().__init__()
        self.pictures = pictures


def shown_to_encoder(pipeline: Any, arguments: dict[str, Any]) -> list[Image.Image]:
    """Returns the pictures that a call of the pipeline would show to its text encoder: its own code scales them.

    Args:
        pipeline: Used by this thread alone.
        arguments: Those of the call.
    """

    def caught(*_: Any, image: Any = None, **__: Any) -> Any:
        raise _Shown(image)

    pipeline.encode_prompt = caught
    try:
        pipeline(**arguments)
    except _Shown as shown:
        return list(shown.pictures) if isinstance(shown.pictures, list) else [shown.pictures]
    finally:
        del pipeline.encode_prompt
    raise AssertionError("the pipeline encoded no prompt")
