"""Reads the text of a YAML into a checked config: overrides, environment variables, relative paths, schema."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from src.errors import ConfigError
from src.paths import from_folder
from src.redaction import remember_environment, remember_secrets
from src.section import Section
from src.validation import config_error
from src.yaml_text import parse_yaml

logger = logging.getLogger(__name__)

AS_THEY_STAND = ("prompts",)
"""Places where `${NAME}` is no environment variable: what is written in a prompt is meant for the judge."""
_ENVIRONMENT_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")

Schema = TypeVar("Schema", bound=Section)


def load(
    schema: type[Schema], path: Path, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> Schema:
    """Reads a YAML file, applies `a.b=c` overrides and options, then environment variables, then the schema.

    Args:
        schema: The class of the whole config.
        path: The file.
        overrides: What `--set` gives; their values are YAML.
        options: Values by key (`benchmark.limit`), taken as they are: what the command line's own options say.

    Raises:
        ConfigError: naming the file, the key, the reason and the nearest valid name.
    """
    data = read_yaml(path, overrides)
    for key, value in (options or {}).items():
        _set_value(data, key.split("."), value, f"{path}: the command line sets {key}, but")
    return checked(schema, fill_in(data, path.parent, (options or {}).keys()), str(path))


def checked(schema: type[Schema], filled: Mapping[str, Any], where: str) -> Schema:
    """Checks a mapping against a schema, with nothing filled in; a config that a run has stored comes this way as well.

    Raises:
        ConfigError: naming each key that is wrong, with the reason.
    """
    remember_secrets(filled)
    try:
        config = schema.model_validate(filled)
    except pydantic.ValidationError as error:
        raise config_error(error, schema, where) from error
    for key in config.ignored_keys():
        logger.info("%s is accepted for older files and has no effect", key)
    return config


def read_yaml(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Reads the mapping in a YAML file and applies `a.b=c` overrides.

    Raises:
        ConfigError: when there is no such file, or no mapping in it, or an override cannot be applied.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"config file {path} does not exist; give another with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} cannot be read: {error}") from error
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of sections such as diffusion_model and reward_model")
    for override in overrides:
        apply_override(data, override)
    return data


def fill_in(data: Mapping[str, Any], folder: Path, as_they_stand: Collection[str] = ()) -> dict[str, Any]:
    """Fills in environment variables, then the relative paths of the file (see `src/paths.py`).

    Args:
        data: The mapping in the file, or sections of it.
        folder: The folder of the file.
        as_they_stand: Keys such as `evaluation.output_dir` whose values are meant literally.
    """
    filled: dict[str, Any] = substitute_environment(dict(data), as_they_stand={*AS_THEY_STAND, *as_they_stand})
    remember_secrets(filled)
    placed: dict[str, Any] = from_folder(filled, folder)
    return placed


def apply_override(data: dict[str, Any], override: str) -> None:
    """Sets `a.b.c=value` in nested mappings; the value is read as YAML (`3`, `true`, `[a, b]`, text).

    Raises:
        ConfigError: when the text has no `=`, no key, or runs through something that is not a mapping.
    """
    key, separator, text = override.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts):
        raise ConfigError(f"--set {override!r}: write it as section.key=value, e.g. reward_model.params.model=gpt-4o")
    _set_value(data, parts, parse_yaml(text, f"the value of --set {override!r:.200}"), f"--set {override!r}:")


def _set_value(data: dict[str, Any], parts: Sequence[str], value: Any, where: str) -> None:
    target: Any = data
    for position, part in enumerate(parts[:-1]):
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            raise ConfigError(f"{where} {'.'.join(parts[: position + 1])} is not a section")
    target[parts[-1]] = value


def substitute_environment(value: Any, path: str = "", as_they_stand: Collection[str] = AS_THEY_STAND) -> Any:
    """Replaces `${NAME}` and `${NAME:-default}` in every string.

    Args:
        value: YAML-like data.
        path: The place of the value in the config, for messages.
        as_they_stand: Places that are left alone.

    Raises:
        ConfigError: when a variable without default is not set.
    """
    if path in as_they_stand:
        return value
    if isinstance(value, dict):
        places = {key: f"{path}.{key}" if path else str(key) for key in value}
        return {key: substitute_environment(item, places[key], as_they_stand) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute_environment(item, f"{path}[{index}]", as_they_stand) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = os.environ.get(name, default)
        if name in os.environ and ".params." in path:
            setting = path.rpartition(".")[2].partition("[")[0]
            remember_environment(setting, os.environ[name])
        if found is None:
            raise ConfigError(
                f"{path} uses ${{{name}}}, but the environment variable {name} is not set; "
                f"export it, or write ${{{name}:-default}}"
            )
        return found

    return _ENVIRONMENT_VARIABLE.sub(replace, value)
