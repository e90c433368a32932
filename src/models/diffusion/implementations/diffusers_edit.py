"""`DiffusersEditModel`: any image-editing pipeline of diffusers, by the name of its class."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, ClassVar

import pydantic
from PIL import Image

from src.errors import ConfigError, did_you_mean
from src.models.diffusion.condition_size import fit_area
from src.models.diffusion.pipeline_editor import PipelineEditor, PipelineParams, stored_class_name

_OURS = {"self", "image", "prompt", "generator", "num_inference_steps", "output_type", "return_dict"}


class DiffusersEditModel(PipelineEditor):
    """Edits with a pipeline that takes `image` and `prompt`: FLUX.1 Kontext, InstructPix2Pix, …

    Raises:
        ConfigError: on construction, for a pipeline that edits no images, or `call_params` that it does not know.
    """

    class Params(PipelineParams):
        """What the pipeline's own defaults do not decide."""

        pipeline_class: str = "auto"
        """Name of a diffusers class; `auto` is the one that the checkpoint names."""
        call_params: dict[str, Any] = pydantic.Field(default_factory=dict)
        """Further arguments of each call, such as `guidance_scale` or `image_guidance_scale`."""
        resolution: Annotated[int, pydantic.Field(ge=16)] | None = None
        """Side in pixels of the square whose area the source is scaled to first; None keeps its size.

        The aspect ratio stays; either way both sides are rounded to what the pipeline's autoencoder can make.
        """

    MEMORY_SETTINGS: ClassVar[str] = (
        "resolution or batch_size (smaller), offload (model, sequential) or dtype (bfloat16)"
    )

    def _class_name(self) -> str:
        if self.params.pipeline_class != "auto":
            return str(self.params.pipeline_class)
        return stored_class_name(self.params.model_name, self.params.revision)

    def _check(self, pipeline_class: Any) -> None:
        name = pipeline_class.__name__
        known = set(inspect.signature(pipeline_class.__call__).parameters)
        if not {"image", "prompt"} <= known:
            raise ConfigError(f"{name} does not edit images by a text: it takes no `image` and `prompt`")
        free = sorted(known - _OURS)
        for key in self.params.call_params:
            if key not in free:
                raise ConfigError(
                    f"diffusion_model.params.call_params.{key}: {name} has no such argument."
                    f"{did_you_mean(key, free)} It takes: {', '.join(free)}."
                )

    def _call_arguments(self, images: list[Image.Image], instructions: list[str]) -> dict[str, Any]:
        width, height = images[0].size
        multiple = 2 * int(getattr(self.pipe, "vae_scale_factor", 8))  # transformers see patches of 2×2 latents
        area = self.params.resolution**2 if self.params.resolution else width * height
        size = fit_area(area, width / height, multiple)
        sources = [image if image.size == size else image.resize(size, Image.Resampling.LANCZOS) for image in images]
        return {**self.params.call_params, "image": sources, "prompt": instructions}
