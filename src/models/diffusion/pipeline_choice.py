"""Whether a pipeline of diffusers edits pictures by an instruction, and how one outside the table is called."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Mapping
from typing import Any

from src.errors import ConfigError, ModelError, did_you_mean
from src.models.diffusion.pipeline_table import PIPELINES, EditingPipeline

_PAGE = "docs/editors.md lists the editing pipelines"
_GUIDANCE = ("guidance_scale", "image_guidance_scale", "img_guidance_scale", "true_cfg_scale")

_NO_EDITORS = {
    "DiffusionGemmaPipeline": "answers with text",
    "FluxPriorReduxPipeline": "makes embeddings for another pipeline",
    "HunyuanImageRefinerPipeline": "refines a picture and follows no instruction",
    "IFSuperResolutionPipeline": "enlarges a picture and follows no instruction",
    "QwenImageLayeredPipeline": "takes a picture apart into layers",
    "StableDiffusionLatentUpscalePipeline": "enlarges a picture and follows no instruction",
    "StableDiffusionUpscalePipeline": "enlarges a picture and follows no instruction",
    "StableUnCLIPImg2ImgPipeline": "makes variations of a picture",
    "UniDiffuserPipeline": "translates between pictures and texts",
    "VersatileDiffusionDualGuidedPipeline": "mixes a picture with a description",
}
"""What the arguments of these pipelines do not tell."""


def editing_pipeline(name: str) -> EditingPipeline:
    """How the pipeline class `name` is called; looks into diffusers for classes outside the table only.

    Raises:
        ConfigError: it does not edit pictures by an instruction.
        ModelError: diffusers has no such pipeline, or the pipeline needs a package that is missing.
    """
    row = PIPELINES.get(name) or _unlisted(name)
    for package in row.packages:
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"{name} needs the package {package!r}, which is not installed; pip install {package}")
    return row


def require_same_parts(name: str, stored: str, model_name: str) -> None:
    """Refuses a pipeline class that is not for the checkpoint; looks into diffusers where it is not the stored one.

    Editing pipelines share checkpoints when their constructors take parts of the same names and types. A stored class
    that the installed diffusers does not know contradicts nothing.

    Args:
        name: Of the class that is asked for.
        stored: Of the class that the checkpoint's `model_index.json` names.
        model_name: The checkpoint, for the message.

    Raises:
        ConfigError: the checkpoint is for another class.
    """
    if name == stored:
        return
    import diffusers

    ours, theirs = getattr(diffusers, name), getattr(diffusers, stored, None)
    if theirs is None or (stored in PIPELINES and _parts(ours) == _parts(theirs)):
        return
    raise ConfigError(
        f"diffusion_model.params.pipeline_class {name}: the checkpoint {model_name} is for {stored}, which has "
        f"other parts; remove pipeline_class, or name a checkpoint for {name}"
    )


def _parts(pipeline_class: Any) -> dict[str, str]:
    arguments = inspect.signature(pipeline_class.__init__).parameters
    return {name: str(argument.annotation) for name, argument in arguments.items()}


def _unlisted(name: str) -> EditingPipeline:
    import diffusers

    found = getattr(diffusers, name, None)
    if not (inspect.isclass(found) and callable(found)):
        raise ModelError(
            f"diffusers {diffusers.__version__} has no pipeline {name!r}.{did_you_mean(name, PIPELINES)} {_PAGE}."
        )
    arguments = inspect.signature(found.__call__).parameters
    if reason := _why_no_editor(name, arguments):
        raise ConfigError(
            f"{name} does not edit images by an instruction: it {reason}.{did_you_mean(name, PIPELINES)} {_PAGE}."
        )
    return _called_by_signature(name, arguments)


def _why_no_editor(name: str, arguments: Mapping[str, inspect.Parameter]) -> str | None:
    if name in _NO_EDITORS:
        return _NO_EDITORS[name]
    if not {"image", "prompt"} <= set(arguments):
        return "takes no `image` and `prompt`"
    if "num_inference_steps" not in arguments:
        return "takes no `num_inference_steps`"
    signs = {
        "repaints what a mask covers": ("mask_image", "masked_image_latents"),
        "makes a film": ("num_frames", "num_videos_per_prompt", "video", "frames"),
        "follows a map of edges, depth or poses": ("control_image", "controlnet_conditioning_scale"),
        "is led by an adapter's picture": ("adapter_conditioning_scale",),
        "redraws a picture after a description of the result": ("strength",),
    }
    for reason, names in signs.items():
        if any(sign in arguments for sign in names):
            return reason
    return None


def _called_by_signature(name: str, arguments: Mapping[str, inspect.Parameter]) -> EditingPipeline:
    """One picture per call, global noise included: what is right whatever the pipeline does."""
    defaults = {name: parameter.default for name, parameter in arguments.items()}
    changes: dict[str, Any] = {} if {"width", "height"} <= set(arguments) else {"size": lambda width, height: {}}
    return EditingPipeline(
        name=name,
        steps=defaults["num_inference_steps"],
        guidance={key: defaults[key] for key in _GUIDANCE if isinstance(defaults.get(key), int | float)},
        draws_globally=True,
        **changes,
    )


def is_unlisted(row: EditingPipeline) -> bool:
    """Whether nothing about the pipeline is proven."""
    return row.name not in PIPELINES
