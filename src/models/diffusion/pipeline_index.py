"""`stored_index`: what a diffusers checkpoint says of itself, read without loading torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.errors import ModelError
from src.models.weights import is_local, pinned

INDEX_NAME = "model_index.json"


def stored_index(model_name: str, revision: str | None) -> dict[str, Any]:
    """A checkpoint's `model_index.json`, which names at least its pipeline class as `_class_name`.

    Raises:
        ModelError: there is no such file.
    """
    try:
        index = json.loads(_index_file(model_name, revision).read_text(encoding="utf-8"))
        return {**index, "_class_name": str(index["_class_name"])}
    except ModelError:
        raise
    except Exception as error:  # the hub's client passes on errors of its HTTP library, which have no common base
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{model_name} is no diffusers pipeline: its {INDEX_NAME} cannot be read "
            f"({type(error).__name__}: {reason}); name the repository or folder that holds this file"
        ) from error


def _index_file(model_name: str, revision: str | None) -> Path:
    if is_local(model_name):
        return Path(model_name).expanduser() / INDEX_NAME
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(model_name, INDEX_NAME, **pinned(model_name, revision)))
