"""Resolves the relative paths of a YAML."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import Any

RULE = "a relative path leads from the working directory or, where nothing is there, from the folder of its YAML"

_OUTPUTS = frozenset({"output_dir", "results_dir", "images_dir", "logs_dir", "log_file", "log_dir", "checkpoint_path"})
"""Settings that lead from the working directory alone: what is there before the run decides nothing."""
_FILES = frozenset({"data_path", "train", "held_out", "path", "folder"})
"""Settings of which a bare word may be a file."""
_LIKE_A_PATH = re.compile(r"[^\n]*(/|\.\w{2,12}$)[^\n]*")


def from_folder(value: Any, folder: Path, name: str = "") -> Any:
    """Returns the data with each relative path that leads nowhere led from `folder`, if something is there.

    What counts as a path: the name of a data file or folder, and any other text with a slash or a file's suffix.

    Args:
        value: The whole config, or a part of it.
        folder: The folder of the YAML.
        name: Name of the setting that has the value.
    """
    if name in _OUTPUTS or name == "prompts":
        return value
    if isinstance(value, dict):
        return {key: from_folder(item, folder, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [from_folder(item, folder, name) for item in value]
    if not isinstance(value, str) or not (name in _FILES or _LIKE_A_PATH.fullmatch(value)):
        return value
    if os.path.isabs(value) or _leads_somewhere(value):
        return value
    beside = os.path.join(folder, value)
    return beside if value and _leads_somewhere(beside) else value


def _leads_somewhere(path: str) -> bool:
    """Whether something is there, or something matches the pattern."""
    return os.path.exists(os.path.expanduser(path)) or ("*" in path and any(glob.iglob(path, recursive=True)))
