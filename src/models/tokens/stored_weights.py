"""The weights of a file of safetensors, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import ModelError

if TYPE_CHECKING:
    import torch


def stored_weights(file: Path, part: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of a file of safetensors, one at a time.

    Args:
        file: What `save_file` of safetensors has written.
        part: Only weights whose names hold it are read.

    Raises:
        ModelError: it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 (no mapping)
                if part in name:
                    yield name, opened.get_tensor(name)
    except SafetensorError as error:
        raise ModelError(f"{file} is damaged: {error}") from error
