"""The editing pipelines of diffusers, and how each wants to be called.

Facts: signatures and sources of diffusers 0.42.1. `tests/test_editing_pipelines.py` runs every one that can run, proves
what is said here of batches and seeds, and compares the defaults with the installed signatures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from src.models.diffusion.glm_image import one_source_apart
from src.models.diffusion.pipeline_sizes import (
    Resizing,
    own_buckets,
    own_module_sizes,
    own_resolutions,
    own_vision_size,
)

MEGAPIXEL = 1024 * 1024


def _width_and_height(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height}


def _no_size(width: int, height: int) -> dict[str, Any]:
    return {}


def as_it_is(instruction: str, sources: int) -> str:
    """The prompt of most pipelines."""
    return instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class EditingPipeline:
    """How one pipeline class edits pictures.

    Attributes:
        name: Of the diffusers class.
        steps: Its own default of `num_inference_steps`.
        guidance: Its own defaults of the arguments for guidance.
        image: Name of the argument for the source.
        pictures: What a call with one source gives it: the picture itself, a list, or a list per prompt.
        several: Whether a list of sources with one prompt is one edit of them all, in their order and in the size of
            the first: proven by a test.
        prompt: Makes the prompt from an instruction and the number of sources.
        output: Field of the result that holds the picture; `frames` are a film whose last one is the edit.
        shares_calls: Whether a list of sources and a list of prompts are edited in pairs, each as if alone: proven by a
            test. Elsewhere a list is often one set of references for every prompt, or padding changes the pixels.
        area: Pixels of the result where no `resolution` is set; None is the area of the source.
        smallest: Where the area is the source's: at least this.
        largest: Where the area is the source's: at most this.
        own_sizes: Without `resolution` it picks the nearest of its own fixed sizes, cropping or stretching the source.
        multiple: Width and height are multiples of this times the scale factor of the autoencoder.
        size: The arguments that make it work at a width and height.
        when_scaled: Further arguments when a `resolution` is set.
        resizing: What else must be changed for that.
        mending: What must be changed of it in every call, or it does not edit: in the installed versions, proven by a
            test.
        draws_globally: Whether it also draws noise without naming a generator.
        dtype: The only number type it runs in.
        packages: Needed besides diffusers' own.
        ignored: Arguments of a call that change nothing, each with the reason.
    """

    name: str
    steps: int
    guidance: Mapping[str, float] = field(default_factory=dict)
    image: str = "image"
    pictures: Literal["one", "list", "list of lists"] = "one"
    several: bool = False
    prompt: Callable[[str, int], str] = as_it_is
    output: Literal["images", "image", "frames"] = "images"
    shares_calls: bool = False
    area: int | None = None
    smallest: int | None = None
    largest: int | None = None
    own_sizes: bool = False
    multiple: int = 2
    size: Callable[[int, int], dict[str, Any]] = _width_and_height
    when_scaled: Mapping[str, Any] = field(default_factory=dict)
    resizing: Resizing | None = None
    mending: Resizing | None = None
    draws_globally: bool = False
    dtype: str | None = None
    packages: tuple[str, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)


def _max_area(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height, "max_area": width * height}


def _condition_side(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height, "output_resolution": round(math.sqrt(width * height))}


def _as_json(instruction: str, sources: int) -> str:
    return json.dumps({"edit_instruction": instruction}, ensure_ascii=False)


def _after_pictures(instruction: str, sources: int) -> str:
    return " ".join([*(f"<img><|image_{place}|></img>" for place in range(1, sources + 1)), instruction])


_DISTILLED = dict.fromkeys(("guidance_scale", "image_guidance_scale"), "guidance was distilled away")

PIPELINES: dict[str, EditingPipeline] = {
    row.name: row
    for row in (
        EditingPipeline(
            name="StableDiffusionInstructPix2PixPipeline",
            steps=100,
            guidance={"guidance_scale": 7.5, "image_guidance_scale": 1.5},
            shares_calls=True,
            size=_no_size,
        ),
        EditingPipeline(
            name="StableDiffusionXLInstructPix2PixPipeline",
            steps=100,
            guidance={"guidance_scale": 5.0, "image_guidance_scale": 1.5},
            shares_calls=True,
        ),
        EditingPipeline(
            name="FluxKontextPipeline",
            steps=28,
            guidance={"guidance_scale": 3.5},
            shares_calls=True,
            area=MEGAPIXEL,
            size=_max_area,
            when_scaled={"_auto_resize": False},
        ),
        EditingPipeline(name="Flux2Pipeline", steps=50, guidance={"guidance_scale": 4.0}, largest=MEGAPIXEL),
        EditingPipeline(name="Flux2KleinPipeline", steps=50, guidance={"guidance_scale": 4.0}, largest=MEGAPIXEL),
        EditingPipeline(name="Flux2KleinKVPipeline", steps=4, largest=MEGAPIXEL),
        EditingPipeline(
            name="QwenImageEditPipeline",
            steps=50,
            shares_calls=True,
            area=MEGAPIXEL,
            multiple=4,
            resizing=own_module_sizes,
        ),
        EditingPipeline(
            name="QwenImageEditPlusPipeline",
            steps=50,
            several=True,
            area=MEGAPIXEL,
            multiple=4,
            resizing=own_module_sizes,
        ),
        EditingPipeline(
            name="QwenImage21Pipeline",
            several=True,
            steps=40,
            area=MEGAPIXEL,
            size=_condition_side,
            resizing=own_vision_size,
        ),
        EditingPipeline(
            name="LongCatImageEditPipeline",
            steps=50,
            guidance={"guidance_scale": 4.5},
            area=MEGAPIXEL,
            size=_no_size,
            resizing=own_module_sizes,
        ),
        EditingPipeline(
            name="BriaFiboEditPipeline",
            steps=30,
            guidance={"guidance_scale": 5},
            prompt=_as_json,
            area=MEGAPIXEL,
        ),
        EditingPipeline(
            name="BriaFibo2Pipeline", steps=30, guidance={"guidance_scale": 5.0}, several=True, area=MEGAPIXEL
        ),
        EditingPipeline(
            name="ZImageOmniPipeline",
            steps=50,
            guidance={"guidance_scale": 5.0},
            largest=MEGAPIXEL,
            dtype="bfloat16",
        ),
        EditingPipeline(
            name="JoyImageEditPipeline",
            steps=40,
            guidance={"guidance_scale": 4.0},
            own_sizes=True,
            resizing=own_buckets,
            draws_globally=True,
        ),
        EditingPipeline(
            name="JoyImageEditPlusPipeline",
            steps=30,
            guidance={"guidance_scale": 4.0},
            image="images",
            pictures="list of lists",
            own_sizes=True,
            resizing=own_buckets,
        ),
        EditingPipeline(
            name="Kandinsky5I2IPipeline",
            steps=50,
            guidance={"guidance_scale": 3.5},
            output="image",
            own_sizes=True,
            resizing=own_resolutions,
        ),
        EditingPipeline(
            name="ChronoEditPipeline",
            steps=50,
            guidance={"guidance_scale": 5.0},
            output="frames",
            area=480 * 832,
            packages=("ftfy",),
        ),
        EditingPipeline(
            name="DreamLitePipeline",
            steps=30,
            guidance={"guidance_scale": 3.5, "image_guidance_scale": 1.5},
            multiple=4,
        ),
        EditingPipeline(name="DreamLiteMobilePipeline", steps=4, multiple=4, ignored=_DISTILLED),
        EditingPipeline(
            name="OmniGenPipeline",
            steps=50,
            guidance={"guidance_scale": 2.5, "img_guidance_scale": 1.6},
            image="input_images",
            pictures="list",
            prompt=_after_pictures,
            several=True,
            largest=MEGAPIXEL,
            draws_globally=True,
        ),
        EditingPipeline(
            name="GlmImagePipeline",
            steps=50,
            guidance={"guidance_scale": 1.5},
            pictures="list",
            smallest=512 * 512,
            largest=2048 * 2048,
            multiple=4,
            mending=one_source_apart,
            draws_globally=True,
        ),
    )
}
"""All pipelines by the name of their class."""
