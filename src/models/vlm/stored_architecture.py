"""`require_vision_language`: checks what a checkpoint's folder says of itself, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

from src.errors import ModelError
from src.models.weights import is_local, resolve_revision

_CONFIG = "config.json"
_WEIGHTS = ("*.safetensors", "*.bin")
_REMEDY = "name the folder or repository of a vision-language model"


def require_vision_language(model_name: str, revision: str | None) -> None:
    """Refuses a checkpoint that transformers would not load as a vision-language model.

    A repository on the hub is looked at where the local cache has its config; it is not asked for.

    Raises:
        ModelError: there is no config, or that of another kind of model, or there are no weights beside it.
    """
    file = _config_file(model_name, revision)
    if file is None:
        return
    try:
        kind = json.loads(file.read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{model_name} is no vision-language model: its {_CONFIG} cannot be read "
            f"({type(error).__name__}: {error}); {_REMEDY}"
        ) from error
    if kind not in _vision_language_kinds():
        raise ModelError(
            f"{model_name} is no vision-language model: its {_CONFIG} says model_type {kind!r}, which transformers "
            f"does not load as one (AutoModelForImageTextToText); {_REMEDY}"
        )
    if is_local(model_name) and not any(any(file.parent.glob(pattern)) for pattern in _WEIGHTS):
        raise ModelError(f"{model_name} has a {_CONFIG}, but no weights ({', '.join(_WEIGHTS)}) beside it; {_REMEDY}")


def _config_file(model_name: str, revision: str | None) -> Path | None:
    if is_local(model_name):
        return Path(model_name).expanduser() / _CONFIG
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model_name, _CONFIG, revision=resolve_revision(model_name, revision))
    return Path(found) if isinstance(found, str) else None


def _vision_language_kinds() -> set[str]:
    """The model types that transformers loads as vision-language models, those that plug-ins registered included."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return {*MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES, *getattr(CONFIG_MAPPING, "_extra_content", {})}
