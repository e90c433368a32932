"""Emu3 checkpoints of transformers' layout: what their files say before anything loads, and how they are loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ModelError
from src.models.device import pick_dtype
from src.models.tokens.picture_grammar import PictureVocabulary
from src.models.tokens.stored_weights import stored_weights
from src.models.tokens.vocabulary import picture_vocabulary
from src.models.weights import is_local, pinned, resolve_revision

if TYPE_CHECKING:
    import torch

CONFIG = "config.json"
_TOKENIZER = "tokenizer.json"
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")
WEIGHTS = "*.safetensors"
VQVAE = "vqmodel."
"""In the names of the VQ-VAE's weights; what follows is its own name of each."""
_NUMBER_TYPES = ("dtype", "torch_dtype")
"""In a config; transformers writes them when it saves."""
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
    missing += [] if any(folder.glob(WEIGHTS)) else [WEIGHTS]
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
    return _settings(file)


def _settings(file: Path) -> dict[str, Any]:
    try:
        return {**json.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{file.parent} is no checkpoint: its {file.name} cannot be read ({type(error).__name__}: {error})"
        ) from error


def _stored(model_name: str, revision: str | None, name: str) -> Path | None:
    if is_local(model_name):
        return Path(model_name).expanduser() / name
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model_name, name, revision=resolve_revision(model_name, revision))
    return Path(found) if isinstance(found, str) else None


def needed_bytes(config: dict[str, Any], dtype: str, tokens: int) -> int:
    """The bytes of a language model's weights, and of the keys and values of so many tokens.

    Args:
        config: Of the checkpoint.
        dtype: `float32`, `bfloat16` or `float16`.
        tokens: Those of all sequences that are written at once.
    """
    from transformers import Emu3TextConfig

    text = Emu3TextConfig(**(config.get("text_config") or {}))
    hidden, layers = text.hidden_size, text.num_hidden_layers
    heads = text.num_key_value_heads or text.num_attention_heads
    narrow = heads * (hidden // text.num_attention_heads)
    per_layer = 2 * hidden * hidden + 2 * hidden * narrow + 3 * hidden * text.intermediate_size
    weights = layers * per_layer + 2 * text.vocab_size * hidden
    cache = tokens * 2 * layers * narrow
    return (weights + cache) * _BYTES[dtype]


def pixels_per_code(config: dict[str, Any]) -> int:
    """How many pixels one code of a checkpoint's VQ-VAE stands for: 64 in Emu3."""
    from transformers import Emu3VQVAEConfig

    stages = Emu3VQVAEConfig(**(config.get("vq_config") or {})).channel_multiplier
    side: int = 2 ** (len(stages) - 1)
    return side * side


def stored_vocabulary(config: dict[str, Any]) -> PictureVocabulary:
    """The token ids of a checkpoint, by its `config.json` alone.

    Raises:
        ModelError: a token is missing, or its id is beyond the logits.
    """
    from transformers import Emu3Config

    known: Any = Emu3Config.from_dict(config)
    return picture_vocabulary(known.vocabulary_map, known.vq_config.codebook_size, known.text_config.vocab_size)


def load_token_editor(params: Any, device: str) -> tuple[Any, Any]:
    """The `Emu3ForConditionalGeneration` in evaluation mode, on the CPU, and the `Emu3Processor`.

    The VQ-VAE is in float32 whatever the `dtype`: a picture has the codes that tokenised data have of it.

    Raises:
        ModelError: files are missing, or do not belong together; nothing but safetensors is read.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # it would be drawn across the run's own display
    folder = checkpoint_folder(params.model_name, params.revision)
    try:
        processor = transformers.Emu3Processor.from_pretrained(folder)
        model = transformers.Emu3ForConditionalGeneration.from_pretrained(
            folder, dtype=pick_dtype(params.dtype, device), use_safetensors=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        name = params.model_name
        again = "the folder is incomplete or damaged" if is_local(name) else f"complete it with: hf download {name}"
        raise ModelError(f"{name} could not be loaded as a token editor; {again} ({error})") from error
    model.model.vqmodel, _ = load_codec_parts(folder, "cpu")
    model.generation_config = transformers.GenerationConfig()  # what a call leaves unset would come from the stored one
    return model.eval(), processor


def checkpoint_folder(model_name: str, revision: str | None) -> Path:
    """The folder of a token editor's checkpoint; that of a hub id is downloaded.

    Raises:
        ModelError: it is no token editor, or cannot be downloaded.
    """
    folder = Path(model_name).expanduser()
    if not is_local(model_name):
        from huggingface_hub import snapshot_download

        wanted = ["*.json", WEIGHTS]
        try:
            folder = Path(snapshot_download(model_name, allow_patterns=wanted, **pinned(model_name, revision)))
        except Exception as error:  # the hub's client passes on errors of its HTTP library, which have no common base
            raise ModelError(f"{model_name} could not be downloaded: {type(error).__name__}: {error}") from error
    require_token_editor(str(folder), None)
    return folder


def codec_digest(folder: Path) -> str:
    """Tells VQ-VAEs apart that make other codes of a picture: by their weights, settings and processor of pictures.

    Checkpoints that differ in their language models alone have the same, and so has one whose weights are stored in
    another number type without a change of value, as after a training: the VQ-VAE always computes in float32.
    """
    import torch

    config = stored_config(str(folder), None) or {}
    processors = [_settings(file) for file in map(folder.joinpath, _PROCESSORS) if file.is_file()]
    decides = {name: value for name, value in (config.get("vq_config") or {}).items() if name not in _NUMBER_TYPES}
    told = [decides, [found.get("image_processor", found) for found in processors]]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, stored in sorted(vision_weights(folder), key=lambda one: one[0]):
        weight = stored.float()
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_codec_parts(folder: Path, device: str) -> tuple[Any, Any]:
    """The `Emu3VQVAE` of a checkpoint, in float32 and evaluation mode on its device, and the `Emu3ImageProcessor`.

    Of the weights only those of the VQ-VAE are read: the language model takes no memory.

    Raises:
        ModelError: the weights do not fit the config.
    """
    import torch
    from transformers import Emu3ImageProcessor, Emu3VQVAE, Emu3VQVAEConfig

    config = stored_config(str(folder), None) or {}
    vqvae = Emu3VQVAE(Emu3VQVAEConfig(**(config.get("vq_config") or {})))
    try:
        vqvae.load_state_dict(dict(vision_weights(folder)))
    except RuntimeError as error:
        raise ModelError(f"{folder}: the weights of the VQ-VAE do not fit its config ({error})") from error
    return vqvae.to(device, torch.float32).eval(), Emu3ImageProcessor.from_pretrained(folder)


def vision_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights of a checkpoint's VQ-VAE by its own names of them, one at a time."""
    for file in sorted(folder.glob(WEIGHTS)):
        for name, weight in stored_weights(file, VQVAE):
            yield name.partition(VQVAE)[2], weight
