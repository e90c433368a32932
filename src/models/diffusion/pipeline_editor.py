"""What editors made of a diffusers pipeline share: loading, devices, batches, seeds, and how failures show."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from PIL import Image

from src.data.image import over_white
from src.errors import ModelError
from src.models.checkpoint_model import CheckpointModel, CheckpointParams
from src.models.device import pick_device, pick_dtype
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.quantization import Quantization, pipeline_quantization, require_package
from src.models.plain_text import PlainText
from src.models.weights import is_local, pinned

logger = logging.getLogger(__name__)


class OutOfMemory(ModelError):
    """The accelerator's memory did not suffice for a call."""


class PipelineParams(CheckpointParams):
    """Params of every editor made of a diffusers pipeline."""

    device: str = "auto"
    """`auto` (cuda, else mps, else cpu), `cuda:1`, `cpu` …"""
    device_ids: list[int | str] | None = None
    """The run makes one replica for each of these devices, with `device` set; a single instance ignores it."""
    offload: Literal["none", "model", "sequential"] = "none"
    """Keep weights in main memory and move them when needed: whole models, or layer by layer (slowest, smallest)."""
    quantization: Quantization | None = None
    """Weights of some parts in 8 or 4 bits."""
    num_inference_steps: Annotated[int, pydantic.Field(ge=1)] | None = None
    """Number of denoising steps; None takes the pipeline's own default."""
    seed: int = 0
    """Used as it is for calls without a seed, and added to the seed of all others."""
    batch_size: int = pydantic.Field(1, ge=1)
    disable_progress_bar: bool = True


class PipelineEditor(CheckpointModel, BaseDiffusionModel):
    """An editor made of a diffusers pipeline; used by one thread at a time.

    The noise of each sample comes from its own generator on the CPU: the same for every device, batch and position.

    Raises:
        ModelError: on construction, when the weights or the device are missing.
    """

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = CheckpointModel.NOT_IN_IDENTITY | {"offload"}
    MEMORY_SETTINGS: ClassVar[str]
    """What to change when memory runs out."""

    @classmethod
    def check_ready(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` when the package or the device that `quantization` needs is missing."""
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        if (quantization := checked.quantization) is not None:
            require_package(quantization)

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The identity of any model, with the pipeline's own defaults in the place of what is left to them.

        The batch size is in it where samples share calls in a type shorter than float32: there the sums of another
        shape round to other pixels.
        """
        identity = super().identity(params)
        checked: Any = cls.Params(**params)  # type: ignore[misc]
        found = identity["params"] | cls._own_defaults(checked)
        if checked.batch_size > 1 and found["dtype"] != "float32" and cls._shares_calls(checked):
            found["batch_size"] = checked.batch_size
        return identity | {"params": found}

    def _initialize(self) -> None:
        self.batch_size = self.params.batch_size
        self.steps: int = self._own_defaults(self.params).get("num_inference_steps", self.params.num_inference_steps)
        self.device = pick_device(self.params.device)
        self.offload = "none" if self.device == "cpu" else self.params.offload
        self.pipe = self._load()
        self.plain = PlainText(self.pipe.components.values())
        self.pipe.set_progress_bar_config(disable=self.params.disable_progress_bar)
        self._prepare()
        self._place()

    @classmethod
    @abstractmethod
    def _own_defaults(cls, params: Any) -> dict[str, Any]:
        """Values of the pipeline's own for those of its `Params` that leave something to it."""

    @classmethod
    @abstractmethod
    def _shares_calls(cls, params: Any) -> bool:
        """Whether several pictures may be edited in one call of the pipeline that its `Params` ask for."""

    @abstractmethod
    def _class_name(self) -> str:
        """The diffusers class that loads the weights."""

    @abstractmethod
    def _call_arguments(self, images: list[Image.Image], prompts: list[Any]) -> dict[str, Any]:
        """Arguments of the pipeline for sources of one size, but for generators, number of steps and output type."""

    def _check(self, pipeline_class: Any) -> None:
        """Raises `ConfigError` when the params do not suit the class; called before anything loads."""

    def _prepare(self) -> None:
        """Changes the loaded pipeline before it goes to its device."""

    def _calling(self, images: list[Image.Image], seeds: list[int]) -> AbstractContextManager[Any]:
        """What the pipeline is called in for these sources."""
        return nullcontext()

    def _pixels(self, result: Any) -> Any:
        """The edits in what the pipeline returned: from 0 to 1, batch × height × width × channels."""
        return result.images

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, seed: int | None = None, **kwargs: Any
    ) -> Image.Image:
        """Edits one RGB image; `kwargs` override the arguments of the pipeline.

        Raises:
            ModelError: out of memory, or the result holds no picture (NaN); the text says what to change.
        """
        return self.batch_edit([original_image], [edit_instruction], None if seed is None else [seed], **kwargs)[0]

    def batch_edit(
        self, images: list[Image.Image], instructions: list[str], seeds: list[int] | None = None, **kwargs: Any
    ) -> list[Image.Image]:
        """Edits several images: those of equal size together, at most `batch_size` at once.

        When memory runs out, batches are half as large from then on.

        Raises:
            ModelError: as `edit_image`, for the batch as a whole.
            ValueError: lists of different length.
        """
        prompts = [self.plain(instruction) for instruction in instructions]
        return self._edit_all(images, prompts, seeds, kwargs)

    def _edit_all(
        self, images: list[Image.Image], prompts: list[Any], seeds: list[int] | None, overrides: dict[str, Any]
    ) -> list[Image.Image]:
        """The edits by prompts as `_call_arguments` takes them; raises as `batch_edit`."""
        if len({len(images), len(prompts), len(images if seeds is None else seeds)}) != 1:
            raise ValueError(f"{len(images)} images, {len(prompts)} instructions, seeds {seeds}")
        seeds = [0] * len(images) if seeds is None else seeds
        edited: dict[int, Image.Image] = {}
        for group in _groups_of_equal_size(images, self.batch_size):
            edited.update(zip(group, self._edit_group(group, images, prompts, seeds, overrides), strict=True))
        return [edited[index] for index in range(len(images))]

    def _edit_group(
        self,
        group: list[int],
        images: list[Image.Image],
        prompts: list[Any],
        seeds: list[int],
        overrides: dict[str, Any],
    ) -> list[Image.Image]:
        """The edits at these places, in calls as large as the memory has room for."""
        edited: list[Image.Image] = []
        while len(edited) < len(group):
            part = group[len(edited) : len(edited) + self.batch_size]
            try:
                edited += self._run(
                    [images[index] for index in part],
                    [prompts[index] for index in part],
                    [self.params.seed + seeds[index] for index in part],
                    overrides,
                )
            except OutOfMemory as error:
                if len(part) == 1:
                    raise
                self.batch_size = len(part) // 2
                logger.warning("%s; from now on at most %d edits share a call", error, self.batch_size)
        return edited

    def _run(
        self, images: list[Image.Image], prompts: list[Any], seeds: list[int], overrides: dict[str, Any]
    ) -> list[Image.Image]:
        import torch

        arguments = {
            **self._call_arguments(images, prompts),
            "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            "num_inference_steps": self.steps,
            **overrides,
            "output_type": "np",
        }
        with self._explained_memory_errors(), self._calling(images, seeds):
            result = self.pipe(**arguments)
        if any(getattr(result, "nsfw_content_detected", None) or []):
            raise ModelError("the pipeline's safety checker withheld the picture")
        return _pictures(self._pixels(result))

    @contextmanager
    def _explained_memory_errors(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # torch's own class for it exists on CUDA only
            if "out of memory" not in str(error).lower():
                raise
            raise OutOfMemory(f"out of memory on {self.device}; change {self.MEMORY_SETTINGS} ({error})") from error

    def load_to_gpu(self) -> None:
        """Moves all weights to the device; nothing to do with `offload`."""
        if self.offload == "none":
            self.pipe.to(self.device)

    def unload_from_gpu(self) -> None:
        """Moves all weights to main memory; nothing to do with `offload`."""
        if self.offload == "none" and self.device != "cpu":
            import torch

            self.pipe.to("cpu")
            torch.get_device_module(self.device).empty_cache()

    def _place(self) -> None:
        if self.offload == "model":
            self.pipe.enable_model_cpu_offload(device=self.device)
        elif self.offload == "sequential":
            self.pipe.enable_sequential_cpu_offload(device=self.device)
        else:
            self.load_to_gpu()

    def _load(self) -> Any:
        import diffusers

        name, class_name = self.params.model_name, self._class_name()
        loader = getattr(diffusers, class_name, None)
        if loader is None:
            raise ModelError(f"diffusers {diffusers.__version__} has no pipeline {class_name!r}")
        self._check(loader)
        if self.params.disable_progress_bar:
            self._silence_loading()
        arguments = {"dtype": pick_dtype(self.params.dtype, self.device), **pinned(name, self.params.revision)}
        if self.params.quantization is not None:
            require_package(self.params.quantization)
            index = stored_index(name, self.params.revision)
            arguments["quantization_config"] = pipeline_quantization(
                self.params.quantization, index, arguments["dtype"]
            )
        try:
            return loader.from_pretrained(name, use_safetensors=True, **arguments)
        except (OSError, ValueError) as error:
            again = (
                "the folder is incomplete or damaged" if is_local(name) else f"complete them with: hf download {name}"
            )
            raise ModelError(f"the weights {name} could not be loaded; {again} ({error})") from error

    @staticmethod
    def _silence_loading() -> None:
        """The bars of the libraries would be drawn across the run's own display."""
        import diffusers
        import transformers

        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()


def _groups_of_equal_size(images: list[Image.Image], limit: int) -> Iterator[list[int]]:
    """Groups the positions of images that may share a call."""
    by_size: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        by_size[image.size].append(index)
    for indices in by_size.values():
        yield from (indices[start : start + limit] for start in range(0, len(indices), limit))


def _pictures(pixels: Any) -> list[Image.Image]:
    """Pixels as RGB images, transparency over white; diffusers itself would turn NaN into black."""
    import numpy as np
    from diffusers.image_processor import VaeImageProcessor

    finite = np.asarray(pixels)
    if not np.isfinite(finite).all():
        raise ModelError("the editor produced NaN or infinite pixels; set dtype: bfloat16 or float32")
    return [over_white(image) for image in VaeImageProcessor.numpy_to_pil(finite)]
