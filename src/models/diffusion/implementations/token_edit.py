"""`TokenEditModel`: an autoregressive model that reads a picture as tokens and writes the edit as tokens."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import pydantic
from PIL import Image

from src.errors import ConfigError, ModelError
from src.models.checkpoint_model import CheckpointModel, CheckpointParams
from src.models.device import pick_device
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.tokens.checkpoint import (
    load_token_editor,
    needed_bytes,
    pixels_per_code,
    require_token_editor,
    stored_config,
)
from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.edit_writer import EditFormParams, EditWriter
from src.models.tokens.picture_codec import PictureCodec, with_aspect_ratio
from src.models.tokens.sampling import Completion, SamplingSettings, TokenRequest, sample
from src.models.tokens.vocabulary import picture_vocabulary
from src.models.vlm.adapter import require_adapter_files, with_adapter
from src.models.vlm.seeded_sampling import Temperature
from src.models.weights import resolve_revision

logger = logging.getLogger(__name__)

_MEMORY_SETTINGS = "batch_size, image_area, grid or thinking_tokens (smaller), or dtype (bfloat16)"


class TokenEditModel(CheckpointModel, BaseDiffusionModel):
    """Edits with an Emu3 checkpoint of transformers' layout, such as one of EARL's that `convert-emu3` has converted.

    The source is encoded by the checkpoint's VQ-VAE and put into the prompt in front of the instruction; the answer is
    sampled under the grammar of a picture, so that it always can be decoded; the edit has the source's aspect ratio.
    Each sample has a seed of its own, and is drawn as if it were alone whatever its batch, up to the rounding of the
    number type.

    Raises:
        ModelError: on construction, when weights or the device are missing, or are of another kind of model.
    """

    VERSION: ClassVar[str] = "2"

    class Params(EditFormParams, CheckpointParams):
        """Which checkpoint edits, how its tokens are drawn, and in which sizes."""

        device: str = "auto"
        """`auto` (cuda, else mps, else cpu), `cuda:1`, `cpu` …"""
        device_ids: list[int | str] | None = None
        """The run makes one replica for each of these devices, with `device` set; a single instance ignores it."""
        adapter: str | None = None
        """Hub id or local folder of a PEFT adapter for the checkpoint, such as a training's `policy` folder."""
        temperature: Temperature = 1.0
        """0 takes the likeliest token."""
        top_k: int = pydantic.Field(2048, ge=0)
        """Draws are made from so many likeliest tokens; 0 is all."""
        top_p: float = pydantic.Field(1.0, gt=0, le=1)
        """Draws are made from the likeliest tokens that together have this probability."""
        guidance_scale: float = pydantic.Field(1.0, gt=0)
        """Guidance away from `negative_prompt`; 1 is none, any other value costs twice as much."""
        negative_prompt: str = ""
        """What stands in the place of the instruction in the prompt away from which guidance leads."""
        seed: int = 0
        """Used as it is for calls without a seed, and added to the seed of all others."""
        batch_size: int = pydantic.Field(1, ge=1)
        """Edits made at once; halved for good when memory runs out."""

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of any checkpoint, without the settings that have no effect.

        The batch size is in it where the number type is shorter than float32: there the sums of another shape round
        otherwise, and another token may be drawn.
        """
        identity = super().identity(params)
        found, checked = identity["params"], cls.Params(**params)
        if not checked.thinking_tokens:
            del found["thinking_prefill"]
        if checked.adapter is None:
            del found["adapter"]
        if checked.guidance_scale == 1:
            del found["negative_prompt"]
        if checked.batch_size > 1 and found["dtype"] != "float32":
            found["batch_size"] = checked.batch_size
        return identity

    @classmethod
    def weights_revision(cls, params: dict[str, Any]) -> str | None:
        """The revision of the checkpoint and, joined by `+`, the revision of its adapter."""
        own, adapter = super().weights_revision(params), cls.Params(**params).adapter
        return own if adapter is None else f"{own}+{resolve_revision(adapter)}"

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ConfigError` for settings that contradict each other."""
        checked = cls.Params(**params)
        if checked.guidance_scale == 1 and checked.negative_prompt:
            raise ConfigError("negative_prompt has no effect at guidance_scale 1; set guidance_scale, such as 3")

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Looks at the files of the checkpoint and of the adapter.

        Raises:
            ModelError: it is no token editor of transformers' layout, or no adapter, or misses files.
        """
        checked = cls.Params(**params)
        require_token_editor(checked.model_name, checked.revision)
        if checked.adapter is not None:
            require_adapter_files(checked.adapter)

    @classmethod
    def check_devices(cls, params: dict[str, Any]) -> None:
        """Looks for the devices, and whether each GPU can hold the weights, and what a batch keeps at the least.

        Raises:
            ModelError: a GPU is missing or too small.
        """
        super().check_devices(params)
        checked = cls.Params(**params)
        gpus = [device for device in cls.devices(params) if device.startswith("cuda")]
        config = stored_config(checked.model_name, checked.revision) if gpus else None
        if config is None:
            return
        import torch

        needed = needed_bytes(config, cls.number_type(params), cls._least_tokens(checked, config))
        for device in gpus:
            there = torch.cuda.get_device_properties(device).total_memory
            if needed > there:
                raise ModelError(
                    f"{checked.model_name} needs at least {needed / 1e9:.0f} GB with batch_size {checked.batch_size}, "
                    f"and {device} has {there / 1e9:.0f} GB; change {_MEMORY_SETTINGS}"
                )

    @staticmethod
    def _least_tokens(params: Any, config: dict[str, Any]) -> int:
        """The tokens of a batch, but for texts, and for pictures whose size the processor decides."""
        source = (params.image_area or 0) // pixels_per_code(config)
        edit = math.prod(params.grid) if params.grid else source
        rows: int = params.batch_size * (1 if params.guidance_scale == 1 else 2)
        return rows * (source + edit)

    def _initialize(self) -> None:
        self.batch_size = self.params.batch_size
        self.device = pick_device(self.params.device)
        self.model, processor = load_token_editor(self.params, self.device)
        config, vqvae = self.model.config, self.model.model.vqmodel
        vocabulary = picture_vocabulary(
            config.vocabulary_map, vqvae.config.codebook_size, config.text_config.vocab_size
        )
        self.codec = PictureCodec(vqvae, processor.image_processor, self.params.image_area)
        self.prompts = self.params.prompts(processor.tokenizer, vocabulary)
        self.writer = EditWriter(self.codec, self.prompts, self.params.grid)
        if self.params.adapter is not None:
            self.model = with_adapter(self.model, self.params.adapter).get_base_model()
        self.load_to_gpu()

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, seed: int | None = None, **kwargs: Any
    ) -> Image.Image:
        """Edits one RGB image.

        Raises:
            ModelError: out of memory, no room for prompt and picture, or NaN; the text says what to change.
            GrammarError: what the model wrote is no picture.
        """
        return self.batch_edit([original_image], [edit_instruction], None if seed is None else [seed])[0]

    def batch_edit(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int] | None = None, **kwargs: Any
    ) -> list[Image.Image]:
        """Edits several images, at most `batch_size` at once; raises as `edit_image`, for the batch as a whole."""
        if len({len(images), len(instructions), len(images if seeds is None else seeds)}) != 1:
            raise ValueError(f"{len(images)} images, {len(instructions)} instructions, seeds {seeds}")
        seeds = [0] * len(images) if seeds is None else seeds
        requests = [self.request(*one) for one in zip(images, instructions, seeds, strict=True)]
        completions: list[Completion] = []
        while len(completions) < len(requests):
            completions += self._sampled(requests[len(completions) : len(completions) + self.batch_size])
        return [
            self.picture(completion.tokens, request.grammar, image)
            for completion, request, image in zip(completions, requests, images, strict=True)
        ]

    def request(self, image: Image.Image, instruction: str, seed: int) -> TokenRequest:
        """The prompt of an edit, the grammar of its answer and the seed of its draws."""
        source = self.codec.encode(image)
        return self.writer.request(source, instruction, self.params.seed + seed, self.params.negative_prompt)

    def picture(self, tokens: Sequence[int], grammar: CompletionGrammar, source: Image.Image) -> Image.Image:
        """The picture of a completion, with the aspect ratio of the source.

        Raises:
            GrammarError: the completion holds no picture.
            ModelError: the VQ-VAE makes NaN of it.
        """
        return with_aspect_ratio(self.codec.decode(grammar.codes(tokens)), source.size)

    def _settings(self) -> SamplingSettings:
        known = self.params
        return SamplingSettings(known.temperature, known.top_k, known.top_p, known.guidance_scale)

    def _sampled(self, requests: list[TokenRequest]) -> list[Completion]:
        try:
            return sample(self.model, requests, self._settings())
        except RuntimeError as error:  # torch's own class for it exists on CUDA only
            if "out of memory" not in str(error).lower():
                raise
            if len(requests) == 1:
                raise ModelError(f"out of memory on {self.device}; change {_MEMORY_SETTINGS} ({error})") from error
            logger.warning("out of memory on %s with %d edits at once; halving", self.device, len(requests))
        self._empty_cache()
        self.batch_size = len(requests) // 2
        return self._sampled(requests[: self.batch_size])

    def load_to_gpu(self) -> None:
        """Moves all weights to the device."""
        self.model.to(self.device)

    def unload_from_gpu(self) -> None:
        """Moves all weights to main memory."""
        if self.device != "cpu":
            self.model.to("cpu")
            self._empty_cache()

    def _empty_cache(self) -> None:
        import torch

        if self.device != "cpu":
            torch.get_device_module(self.device).empty_cache()
