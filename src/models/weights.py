"""Tells which weights a model name stands for: a revision that changes exactly when the weights change.

A model name is a local file or folder, or the id of a Hugging Face repository (`organisation/name`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.errors import ConfigError, ModelError
from src.paths import RULE

WHOLE_FILE_LIMIT = 64 * 2**20
"""Files below this many bytes enter a fingerprint whole; of larger ones three pieces do."""
PIECE = 2**20
REQUEST_SECONDS = 20.0

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def resolve_revision(model_name: str, revision: str | None = None) -> str:
    """The commit of a hub model, or the fingerprint of local weights.

    A hub name that the local cache knows costs no request, and keeps its commit until the user downloads again.

    Args:
        model_name: Local file or folder, or hub id.
        revision: Branch, tag or commit on the hub; None is the main branch. Local weights have none.

    Raises:
        ConfigError: A revision of local weights.
        ModelError: The weights are not here and cannot be looked up; the text says how to get them.
    """
    if is_local(model_name):
        if revision is not None:
            raise ConfigError(
                f"revision: {model_name} is a folder or file of this machine, which has no revision {revision!r}: "
                "leave it out, or name a repository of the hub"
            )
        return _fingerprint(Path(model_name).expanduser())
    if revision and _COMMIT.fullmatch(revision):
        return revision
    return _cached_commit(model_name, revision or "main") or _requested_commit(model_name, revision)


def pinned(model_name: str, revision: str | None = None) -> dict[str, Any]:
    """The `revision` argument for `from_pretrained`, so that what is loaded is what `resolve_revision` named."""
    return {} if is_local(model_name) else {"revision": resolve_revision(model_name, revision)}


def is_local(model_name: str) -> bool:
    """Whether the name is a path on this machine.

    Raises:
        ModelError: It can only be a path, and nothing is there.
    """
    path = Path(model_name).expanduser()
    if path.exists():
        return True
    if _HUB_ID.fullmatch(model_name) and not model_name.startswith("."):
        return False
    raise ModelError(f"there are no weights at {model_name}; {_remedy(path)}")


MINIATURE_RECIPES = {
    "editor": "editor.train_editor",
    "generator": "generator.train_generator",
    "judge": "judge.train_judge",
    "policy": "policy.train_policy",
    "thinking_encoder": "conditioning.teach_encoder",
    "token_editor": "tokens.train_editor",
}
"""The module below `src.miniature` that makes the weights of a folder of `assets/miniature`."""


def _remedy(path: Path) -> str:
    if path.parent.parts[-2:] == ("assets", "miniature") and path.name in MINIATURE_RECIPES:
        return f"run from the project root, or train them: python -m src.miniature.{MINIATURE_RECIPES[path.name]}"
    return f"correct the path ({RULE}), or name a Hugging Face repository as organisation/name"


def _fingerprint(path: Path) -> str:
    """SHA-256 over names, sizes and content; of large files over their first, middle and last `PIECE`."""
    root = path if path.is_dir() else path.parent
    files = sorted(_weight_files(path)) if path.is_dir() else [path]
    if not files:
        raise ModelError(f"the folder {path} holds no weights; {_remedy(path)}")
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(root).as_posix()}\0{size}\0".encode())
        with file.open("rb") as stream:
            if size < WHOLE_FILE_LIMIT:
                digest.update(stream.read())
                continue
            for start in (0, (size - PIECE) // 2, size - PIECE):
                stream.seek(start)
                digest.update(stream.read(PIECE))
    return digest.hexdigest()


def _weight_files(folder: Path) -> Iterator[Path]:
    """Yields all files but hidden ones (download caches) and Markdown (a model card decides no result)."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.suffix != ".md":
            yield path


def _cached_commit(model_name: str, revision: str) -> str | None:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    name = repo_folder_name(repo_id=model_name, repo_type="model")
    reference = Path(constants.HF_HUB_CACHE) / name / "refs" / revision
    return reference.read_text(encoding="ascii").strip() if reference.is_file() else None


def _requested_commit(model_name: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    try:
        return str(HfApi().repo_info(model_name, revision=revision, timeout=REQUEST_SECONDS).sha)
    except Exception as error:  # the hub's client passes on errors of its HTTP library, which have no common base
        reason = str(error).strip().partition("\n")[0]
        at = f" --revision {revision}" if revision else ""
        raise ModelError(
            f"the weights {model_name!r}{f' at {revision!r}' if revision else ''} are neither a folder here nor "
            f"in the local cache, and the hub could not be asked: {type(error).__name__}: {reason}. "
            f"Where there is a network: hf download {model_name}{at}"
        ) from error
