"""`python main.py convert-emu3`: a checkpoint of Emu3's original layout becomes one of transformers, with proof."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import EditLoopError, ModelError, OutputError
from src.models.tokens.emu3.proof import ConversionProof, prove
from src.models.tokens.emu3.settings import pixel_settings, text_settings, vision_settings
from src.models.tokens.emu3.tokenizer import RANKS, VISION_TOKENS, converted_tokenizer
from src.models.tokens.emu3.weight_names import language_name, vision_name, vision_weight
from src.models.tokens.stored_weights import stored_weights
from src.models.tokens.vocabulary import picture_vocabulary
from src.models.weights import is_local, pinned
from src.reasons import reason_of

if TYPE_CHECKING:
    import torch

_INDEX = "model.safetensors.index.json"
_WEIGHTS = "*.safetensors"
_CONFIG = "config.json"
_PIXELS = "preprocessor_config.json"


@dataclass(frozen=True)
class OriginalParts:
    """The folders of a checkpoint of the original layout; one folder may be several of them."""

    language: Path
    vision: Path
    tokenizer: Path


def convert_emu3(model: str, vision_tokenizer: str, tokenizer: str | None, output: Path) -> ConversionProof:
    """Writes the checkpoint of transformers' layout, loads it, and proves that it answers as the original.

    Weights are copied shard by shard as they are stored, so that memory holds one shard. No code of the checkpoints
    runs. The folder `output` appears only once everything is proven.

    Args:
        model: Folder or hub id of the language model, such as EARL's.
        vision_tokenizer: Folder or hub id of the VQ-VAE.
        tokenizer: Folder or hub id of the tokenizer; None is that of the language model.
        output: Folder that does not exist yet.

    Raises:
        OutputError: `output` exists.
        ModelError: a part is missing, is of another layout, or the result does not answer as the original.
    """
    if output.exists():
        raise OutputError(f"{output} exists already; choose another --output, or remove it")
    language = _folder(model, [_CONFIG, _WEIGHTS])
    parts = OriginalParts(
        language,
        _folder(vision_tokenizer, [_CONFIG, _WEIGHTS, _PIXELS]),
        language if tokenizer is None else _folder(tokenizer, [RANKS, VISION_TOKENS]),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    unproven = output.with_name(f"{output.name}.unproven")
    shutil.rmtree(unproven, ignore_errors=True)
    try:
        _write(parts, unproven)
        proof = prove(parts.language, parts.vision, unproven)
        unproven.rename(output)
    except (EditLoopError, OSError):
        raise
    except Exception as error:  # settings and weights that do not fit make transformers raise many classes
        raise ModelError(
            f"{model} and {vision_tokenizer} cannot be converted ({reason_of(error)}): their settings and weights do "
            "not fit each other, or not Emu3's original layout; download them anew, or name other folders"
        ) from error
    finally:
        shutil.rmtree(unproven, ignore_errors=True)
    return proof


def _write(parts: OriginalParts, folder: Path) -> None:
    from transformers import Emu3Config, Emu3ForConditionalGeneration, Emu3ImageProcessor, Emu3Processor

    text = text_settings(_settings(parts.language / _CONFIG, "Emu3"))
    vision = vision_settings(_settings(parts.vision / _CONFIG, "Emu3VisionVQ"))
    pixels = pixel_settings(_settings(parts.vision / _PIXELS))
    tokenizer = converted_tokenizer(parts.tokenizer)
    words = tokenizer.get_vocab()
    config = Emu3Config(text_config=text, vq_config=vision, vocabulary_map=words)
    picture_vocabulary(words, config.vq_config.codebook_size, config.text_config.vocab_size)  # refuses unequal parts
    config.architectures = [Emu3ForConditionalGeneration.__name__]
    config.save_pretrained(folder)
    Emu3Processor(Emu3ImageProcessor(**pixels), tokenizer).save_pretrained(folder)
    _write_weights(parts, folder)


def _write_weights(parts: OriginalParts, folder: Path) -> None:
    from safetensors.torch import save_file

    sources: list[tuple[Path, Callable[[str], str], Callable[[str, torch.Tensor], torch.Tensor]]] = [
        *((file, language_name, lambda _, weight: weight) for file in sorted(parts.language.glob(_WEIGHTS))),
        *((file, vision_name, vision_weight) for file in sorted(parts.vision.glob(_WEIGHTS))),
    ]
    places: dict[str, str] = {}
    size = 0
    for number, (file, new_name, new_weight) in enumerate(sources, start=1):
        shard = f"model-{number:05d}-of-{len(sources):05d}.safetensors"
        weights = {new_name(name): new_weight(name, weight).contiguous() for name, weight in stored_weights(file)}
        save_file(weights, folder / shard, metadata={"format": "pt"})
        places |= dict.fromkeys(weights, shard)
        size += sum(weight.nbytes for weight in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / _INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


def _settings(file: Path, kind: str | None = None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = {**json.loads(file.read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{file} cannot be read: {error}") from error
    if kind is not None and found.get("model_type") != kind:
        raise ModelError(
            f"{file} says model_type {found.get('model_type')!r}, where {kind!r} of the original is needed"
        )
    return found


def _folder(name: str, patterns: list[str]) -> Path:
    """The folder of a part with these files; those of a hub id are downloaded, and nothing else of it.

    Raises:
        ModelError: a file is missing.
    """
    if is_local(name):
        folder = Path(name).expanduser()
    else:
        from huggingface_hub import snapshot_download

        wanted = [*patterns, RANKS, VISION_TOKENS]
        try:
            folder = Path(snapshot_download(name, allow_patterns=wanted, **pinned(name)))
        except Exception as error:  # the hub's client passes on errors of its HTTP library, which have no common base
            raise ModelError(f"{name} could not be downloaded: {type(error).__name__}: {error}") from error
    if missing := [pattern for pattern in patterns if not any(folder.glob(pattern))]:
        hint = "; convert .bin files to safetensors first" if _WEIGHTS in missing else ""
        raise ModelError(f"{name} has no {', no '.join(missing)}{hint}")
    return folder
