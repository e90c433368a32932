"""Emu3 checkpoints of transformers' layout: what their files say before anything loads, and how they are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from src.errors import ModelError
from src.models.device import pick_dtype
from src.models.weights import is_local, pinned, resolve_revision

CONFIG = "config.json"
_TOKENIZER = "tokenizer.json"
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")
_WEIGHTS = "*.safetensors"
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def require_token_editor(model_name: str, revision: str | None) -> None:
    """Refuses what is no Emu3 checkpoint of transformers' layout, or misses files.

    A repository on the hub is looked at where the local cache has its config; it is not asked for.

    Raises:
        ModelError: the text says what is wrong, and how to get the right files.
    """
    config = stored_config(model_name, revision)
    if config is None:
        return
    kind = config.get("model_type")
    if kind == "Emu3":
        raise ModelError(
            f"{model_name} is an Emu3 checkpoint of the original layout, as EARL's are; convert it once: "
            f"python main.py convert-emu3 --model {model_name} --output FOLDER"
        )
    if kind != "emu3" or not config.get("vocabulary_map"):
        raise ModelError(
            f"{model_name} edits in no tokens: its {CONFIG} says model_type {kind!r}, and that of a token editor is "
            "'emu3' with a vocabulary_map; name a checkpoint such as Emu3-community/Emu3-Gen-hf"
        )
    if is_local(model_name):
        _require_files(Path(model_name).expanduser())


def _require_files(folder: Path) -> None:
    missing = [] if (folder / _TOKENIZER).is_file() else [_TOKENIZER]
    missing += [] if any((folder / name).is_file() for name in _PROCESSORS) else [_PROCESSORS[0]]
    missing += [] if any(folder.glob(_WEIGHTS)) else [_WEIGHTS]
    if missing:
        raise ModelError(f"{folder} is incomplete: there is no {', no '.join(missing)}; copy the whole checkpoint")


def stored_config(model_name: str, revision: str | None) -> dict[str, Any] | None:
    """The checkpoint's `config.json`; None for one on the hub of which the local cache has none.

    Raises:
        ModelError: the folder has none, or it cannot be read.
    """
    file = _stored(model_name, revision, CONFIG)
    if file is None:
        return None
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        return {**config}
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{model_name} is no checkpoint: its {CONFIG} cannot be read ({type(error).__name__}: {error})"
        ) from error


def _stored(model_name: str, revision: str | None, name: str) -> Path | None:
    if is_local(model_name):
        return Path(model_name).expanduser() / name
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model_name, name, revision=resolve_revision(model_name, revision))
    return Path(found) if isinstance(found, str) else None


def needed_bytes(config: dict[str, Any], dtype: str, rows: int) -> int:
    """The bytes of weights, keys and values of a language model that writes up to its last position.

    Args:
        config: Of the checkpoint.
        dtype: `float32`, `bfloat16` or `float16`.
        rows: How many sequences are written at once.
    """
    from transformers import Emu3TextConfig

    text = Emu3TextConfig(**(config.get("text_config") or {}))
    hidden, layers = text.hidden_size, text.num_hidden_layers
    heads = text.num_key_value_heads or text.num_attention_heads
    narrow = heads * (hidden // text.num_attention_heads)
    per_layer = 2 * hidden * hidden + 2 * hidden * narrow + 3 * hidden * text.intermediate_size
    weights = layers * per_layer + 2 * text.vocab_size * hidden
    cache = rows * 2 * layers * narrow * text.max_position_embeddings
    return (weights + cache) * _BYTES[dtype]


def load_token_editor(params: Any, device: str) -> tuple[Any, Any]:
    """The `Emu3ForConditionalGeneration` in evaluation mode, on the CPU, and the `Emu3Processor`.

    Raises:
        ModelError: files are missing, or do not belong together; nothing but safetensors is read.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # it would be drawn across the run's own display
    name, source = params.model_name, pinned(params.model_name, params.revision)
    try:
        processor = transformers.Emu3Processor.from_pretrained(name, **source)
        model = transformers.Emu3ForConditionalGeneration.from_pretrained(
            name, dtype=pick_dtype(params.dtype, device), use_safetensors=True, **source
        )
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        again = "the folder is incomplete or damaged" if is_local(name) else f"complete it with: hf download {name}"
        raise ModelError(f"the weights {name} could not be loaded as a token editor; {again} ({error})") from error
    model.generation_config = transformers.GenerationConfig()  # what a call leaves unset would come from the stored one
    return model.eval(), processor
