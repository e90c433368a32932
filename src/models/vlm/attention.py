"""Whether an `attn_implementation` can be had, before any model loads."""

from __future__ import annotations

import importlib.util
import re

from src.errors import ConfigError, did_you_mean

_PACKAGES = {"2": "flash_attn", "3": "flash_attn_interface", "4": "flash_attn.cute"}
_FLASH = re.compile(r"flash_attention_(\d)")


def require_attention(name: str, where: str) -> None:
    """Looks for a kernel by its name, and for the package that has it.

    Whether a model's architecture supports it is for the model to say.

    Args:
        name: As for `from_pretrained`: of transformers, or `organisation/kernel` on the hub.
        where: The setting, for messages.

    Raises:
        ConfigError: there is no such kernel, or its package is missing.
    """
    if "/" in name:
        _require("kernels", name, where)
        return
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    # Paged attention is for transformers' own continuous batching, which nothing here does.
    known = ["eager", *(key for key in ALL_ATTENTION_FUNCTIONS.valid_keys() if not key.startswith("paged|"))]
    if name not in known:
        raise ConfigError(
            f"{where}: transformers has no attention {name!r}, only {', '.join(sorted(set(known)))}, or "
            f"organisation/kernel on the hub.{did_you_mean(name, known)}"
        )
    if (flash := _FLASH.fullmatch(name)) is not None:
        _require(_PACKAGES.get(flash[1], "flash_attn"), name, where)


def _require(package: str, name: str, where: str) -> None:
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        raise ConfigError(
            f"{where}: {name} needs the package {package}, which is not installed; install it, or leave the setting out"
        )
