"""Writing a miniature model's folder: in half precision, and so that a kill leaves the old one or the new one."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.errors import ConfigError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` and moves what was written there to `path`: a kill leaves no half of it."""
    partial = path.with_name(f"partial.{path.name}")
    yield partial
    os.replace(partial, path)


def require_model(folder: Path, named_by: str, advice: str = "correct the path") -> None:
    """Looks for a model or pipeline in a folder.

    Args:
        folder: The folder.
        named_by: The option that names it.
        advice: What to do if nothing is there.

    Raises:
        ConfigError: There is none.
    """
    if not any((folder / name).is_file() for name in ("model_index.json", "config.json")):
        raise ConfigError(f"{named_by} {folder}: there is no model in this folder; {advice}")


@contextmanager
def replaced_folder(out: Path, facts: dict[str, object]) -> Iterator[Path]:
    """Yields an empty place to write to; afterwards it takes the place of `out`, whose README.md is kept.

    What people told of the old weights (`model_card.TEXTS`) goes with them.

    Args:
        out: The folder.
        facts: How the weights came about, written to `training.json` for the model card.
    """
    beside, old = (out.with_name(out.name + ending) for ending in (".partial", ".old"))
    for leftover in (beside, old):
        shutil.rmtree(leftover, ignore_errors=True)
    yield beside
    (beside / "training.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    if (out / "README.md").exists():
        shutil.copy(out / "README.md", beside)
    if out.exists():
        os.replace(out, old)
    os.replace(beside, out)
    shutil.rmtree(old, ignore_errors=True)


def save_half(model: Any, folder: Path) -> None:
    """Saves a copy of `model` in half precision."""
    import torch

    copy.deepcopy(model).to("cpu", torch.float16).save_pretrained(folder)
    config = folder / "config.json"
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings.pop("_name_or_path", None)  # the folder that a part was loaded from, which is nobody else's
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_as_single(folder: Path) -> None:
    """Lets the config of a model saved in half precision name single precision."""
    config = folder / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"float16"', '"float32"'), encoding="utf-8")


def write_chat_model(model: Any, processor: Any, out: Path, facts: dict[str, object]) -> None:
    """Replaces the folder `out` by a model in half precision, its config naming single precision.

    Args:
        model: What to write.
        processor: Its processor, with tokenizer and chat template.
        out: The folder; its README.md is kept.
        facts: How the weights came about, written to `training.json` for the model card.
    """
    with replaced_folder(out, facts) as folder:
        save_half(model, folder)
        load_as_single(folder)
        processor.save_pretrained(folder)
