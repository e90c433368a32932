"""Texts of prompts in a checkout of a benchmark's own repository: read from its files, never run."""

from __future__ import annotations

import ast
import hashlib
import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from src.errors import ConfigError

LARGEST_FILE = 5_000_000
"""Bytes; a file of prompts has some tens of thousands."""


@dataclass(frozen=True)
class OfficialFiles:
    """Where a benchmark's repository keeps its prompts, and how they name what is filled in."""

    paths: tuple[str, ...]
    """The file, relative to the checkout: the first of these that is there."""
    placeholders: Mapping[str, str]
    """The benchmark's name of each placeholder, by ours."""
    style: Literal["format", "replace"] = "format"
    """`format`: texts for Python's `str.format`; `replace`: placeholders are replaced as they stand. With `replace`,
    sums of literals and f-strings of plain names are texts as well; a name stands in them as `{name}`."""
    known: Mapping[str, str] = field(default_factory=dict)
    """Versions that have been looked at, by the hash of the file, or of all files in their order."""
    beside: tuple[str, ...] = ()
    """Further files in the folder of that file; their texts are named `<file without suffix>.<name>`."""
    between: str = "\n"
    """What joins texts that are asked together."""
    verbatim: frozenset[str] = frozenset()
    """Texts of a `format` file that the official script sends as they stand, without formatting them."""
    key: str = "scorer.params.official_prompts"
    """The key of the config that names the checkout, for messages."""


@dataclass(frozen=True)
class OfficialPrompts:
    """The texts of one file, by name."""

    files: OfficialFiles
    path: Path
    sha256: str
    texts: Mapping[str, str]

    @property
    def version(self) -> str:
        """The known version, or a sentence part that says that it is none."""
        known = self.files.known.get(self.sha256)
        return known or f"an unknown version (file {self.path.name}, sha256 {self.sha256:.12}), used as it is"

    def require(self, names: tuple[str, ...]) -> str:
        """The named texts, joined by what the files say.

        Raises:
            ConfigError: naming the texts that are not there.
        """
        if missing := [name for name in names if name not in self.texts]:
            raise ConfigError(
                f"{self.files.key}: {self.path.name} has no text {', '.join(missing)}. Check out the "
                "version that docs/protocols.md names; samples that are asked other texts can be judged"
            )
        return self.files.between.join(self.texts[name] for name in names)

    def render(self, names: tuple[str, ...], values: Mapping[str, str]) -> str:
        """The named texts with our values in the place of the benchmark's placeholders.

        Raises:
            ConfigError: a text has a placeholder that is not known.
        """
        text = self.require(names)
        given = {theirs: values[ours] for ours, theirs in self.files.placeholders.items() if ours in values}
        if self.files.style == "replace":
            for placeholder, value in given.items():
                text = text.replace(placeholder, value)
            return text
        return self.files.between.join(self._formatted(name, given) for name in names)

    def _formatted(self, name: str, given: Mapping[str, str]) -> str:
        text = self.texts[name]
        return text if name in self.files.verbatim else _formatted(text, given, f"{self.path.name}, {name}")


def read_official_prompts(folder: Path, files: OfficialFiles) -> OfficialPrompts:
    """Reads the texts: string values of a JSON object, or string literals that a Python file assigns to names.

    Raises:
        ConfigError: no such file, one that is too large, or one that is neither.
    """
    found = [folder / path for path in files.paths if (folder / path).is_file()]
    if not found:
        raise ConfigError(
            f"{files.key}: {folder} has none of {', '.join(files.paths)}; name the root of a "
            "checkout of the benchmark's repository, or leave the key out for this project's own wording"
        )
    path = found[0]
    data, texts = _read(path, files)
    if not texts:
        raise ConfigError(f"{files.key}: {path} holds no texts; is it another version of the file?")
    for name in files.beside:
        more, others = _read(path.parent / name, files)
        data += more
        texts |= {f"{Path(name).stem}.{key}": text for key, text in others.items()}
    return OfficialPrompts(files, path, hashlib.sha256(data).hexdigest(), texts)


def _read(path: Path, files: OfficialFiles) -> tuple[bytes, dict[str, str]]:
    """A file, and its texts by name."""
    key, text_of = files.key, _constant if files.style == "format" else _joined
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{key}: {path} is larger than {LARGEST_FILE:,} bytes")
        data = path.read_bytes()
        text = data.decode("utf-8")
        return data, _of_json(text) if path.suffix == ".json" else _of_python(text, text_of)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{key}: {path} cannot be read: {error}") from error


def _of_json(text: str) -> dict[str, str]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it holds no JSON object")
    return {name: value for name, value in data.items() if isinstance(value, str)}


def _of_python(text: str, text_of: Callable[[ast.expr], str | None]) -> dict[str, str]:
    """Texts assigned at the top level, computed ones left out."""
    texts: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and (found := text_of(node.value)) is not None:
            texts |= {target.id: found for target in node.targets if isinstance(target, ast.Name)}
    return texts


def _constant(node: ast.expr) -> str | None:
    """A string literal; None for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _joined(node: ast.expr) -> str | None:
    """A string literal, a sum of such, or an f-string of plain names, each as `{name}`; None for anything else."""
    if isinstance(node, ast.FormattedValue):
        plain = node.conversion == -1 and node.format_spec is None
        return f"{{{node.value.id}}}" if plain and isinstance(node.value, ast.Name) else None
    if isinstance(node, ast.JoinedStr):
        parts = node.values
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    else:
        return _constant(node)
    texts = [_joined(part) for part in parts]
    return None if None in texts else "".join(text for text in texts if text is not None)


def _formatted(text: str, values: Mapping[str, str], where: str) -> str:
    """Fills in as `str.format` does, for plain names alone: no attribute or index of a text is looked up."""
    parts = []
    try:
        for literal, name, spec, conversion in string.Formatter().parse(text):
            parts.append(literal)
            if name is None:
                continue
            if name not in values or spec or conversion:
                raise ConfigError(f"official prompts: {where} has the placeholder {{{name}}}, which is not known here")
            parts.append(values[name])
    except ValueError as error:
        raise ConfigError(f"official prompts: {where} is no text with placeholders: {error}") from error
    return "".join(parts)
