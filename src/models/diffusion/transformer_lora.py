"""A LoRA for the transformer of a diffusers pipeline: loaded completely, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.errors import ModelError
from src.models.vlm.adapter import require_no_strays
from src.models.weights import is_local, pinned, resolve_revision

_ADAPTER = "editor"


def load_transformer_lora(pipe: Any, params: Any) -> None:
    """Loads the LoRA of an editor into its pipeline's transformer.

    Args:
        pipe: The loaded pipeline.
        params: Those of the editor: `model_name`, `lora`, `lora_weight_name`, `lora_scale`.

    Raises:
        ModelError: it cannot be loaded, or weights of it have no place.
    """
    from peft import get_peft_model_state_dict

    lora: str = params.lora
    file = {"weight_name": params.lora_weight_name, "use_safetensors": True, **pinned(lora)}
    try:
        given = pipe.lora_state_dict(_without_magnitudes(lora, file))
        pipe.load_lora_weights(lora, adapter_name=_ADAPTER, **file)
    except (OSError, ValueError, RuntimeError) as error:  # the last: shapes that do not fit
        raise ModelError(f"the LoRA {lora} could not be loaded; check lora and lora_weight_name ({error})") from error
    if _ADAPTER not in pipe.get_list_adapters().get("transformer", []):
        raise ModelError(f"the LoRA {lora} has no weights for the transformer of {params.model_name}")
    loaded = get_peft_model_state_dict(pipe.transformer, adapter_name=_ADAPTER)
    require_no_strays(lora, {name.removeprefix("transformer.") for name in given} ^ set(loaded))
    pipe.set_adapters(_ADAPTER, params.lora_scale)


def with_lora(revision: str | None, params: Any) -> str | None:
    """The revision of a checkpoint and, joined by `+`, that of the LoRA, where the params name one.

    Args:
        revision: Of the checkpoint.
        params: As for `load_transformer_lora`; `lora` may be None.

    Raises:
        ModelError: the LoRA is missing.
    """
    lora = params.lora
    if lora is None:
        return revision
    if params.lora_weight_name and is_local(lora):
        lora = str(Path(lora) / params.lora_weight_name)
    return f"{revision}+{resolve_revision(lora)}"


def _without_magnitudes(lora: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """The weights in the file of a LoRA, before diffusers leaves out or renames any.

    Raises:
        ModelError: a DoRA, which diffusers loads without its magnitudes: what is left was never trained to edit.
    """
    from diffusers.loaders import lora_base

    unset = ("weight_name", "local_files_only", "cache_dir", "force_download", "proxies", "token", "revision")
    asked = dict.fromkeys((*unset, "subfolder", "user_agent"), None) | dict(file)
    weights: dict[str, Any] = lora_base._fetch_state_dict(lora, **asked, allow_pickle=False)[0]
    if magnitudes := sorted(name for name in weights if "dora_scale" in name):
        raise ModelError(
            f"the LoRA {lora} is a DoRA: diffusers would leave out {len(magnitudes)} of its {len(weights)} weights "
            f"({magnitudes[0]} …) and edit with the rest; name a LoRA without dora_scale, or merge the adapter into "
            "the checkpoint"
        )
    return weights
