"""Judge prompts: versioned Jinja2 files, one folder per protocol, rendered in a sandbox.

Those of this project are in `prompts/`; a plug-in may bring a folder of its own.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from src.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

Language = Literal["en", "zh"]

PROMPTS_FOLDER = Path(__file__).resolve().parents[3] / "prompts"
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*")
_FIRST_LINE = re.compile(r"\{# (?P<name>[a-z0-9_/]+) (?P<version>v[0-9]+) #\}\n")


@dataclass(frozen=True)
class PromptTemplate:
    """One prompt file: its template, and what tells its text apart from every other."""

    template: Template
    version: str
    """`category/physical v1`, as the file's first line says."""
    sha256: str
    """Hash of the file and of the files that it extends."""

    def render(self, **values: Any) -> tuple[str, str]:
        """The system prompt and the user prompt.

        Raises:
            ConfigError: when the template names a value that is not given, or does what the sandbox forbids.
        """
        from jinja2 import TemplateError

        try:
            system, user = (self.template.render(part=part, **values).strip() for part in ("system", "user"))
        except TemplateError as error:
            raise ConfigError(
                f"prompt {self.version} cannot be rendered: {error}; it gets {', '.join(values)}"
            ) from error
        return system, user


def with_rules(system: str, rules: str) -> str:
    """The system prompt of a policy that is also told by which rules the form of its text is judged."""
    return f"{system}\n\n{rules}" if rules else system


@functools.cache
def load_prompt(protocol: str, name: str, language: Language, own: tuple[Path, ...] = ()) -> PromptTemplate:
    """Reads `<protocol>/<name>.<language>.j2` from the first folder that has it.

    Args:
        protocol: A folder of prompts.
        name: A prompt in it.
        language: The language of the prompt.
        own: Folders of a plug-in, searched before `prompts/` of this project; its prompts may extend those here.

    Raises:
        ConfigError: when there is no such prompt, naming the folders that were searched and what they hold, when it
            is no template, when it extends or includes itself, or when its first line does not say
            `{# protocol/name vN #}`.
    """
    from jinja2 import TemplateSyntaxError

    path = f"{protocol}/{name}.{language}.j2"
    folders = tuple(dict.fromkeys((*own, PROMPTS_FOLDER)))
    if not _NAME.fullmatch(f"{protocol}/{name}"):
        raise ConfigError(f"{protocol}/{name} is no name of a prompt: use a-z, 0-9 and _, with / between folders")
    try:
        sources = _with_parents(path, folders)
        template = _environment(folders).get_template(path)
    except (TemplateSyntaxError, UnicodeDecodeError) as error:
        raise ConfigError(f"prompt {path} of {folders[0]} cannot be read: {error}") from error
    first = _FIRST_LINE.match(sources[0])
    if first is None or first["name"] != f"{protocol}/{name}":
        raise ConfigError(f"prompt {path} must begin with the line {{# {protocol}/{name} v1 #}}")
    digest = hashlib.sha256("\0".join(sources).encode()).hexdigest()
    return PromptTemplate(template, f"{first['name']} {first['version']}", digest)


def _with_parents(path: str, folders: tuple[Path, ...], children: tuple[str, ...] = ()) -> list[str]:
    """The source of a template, followed by the sources of those that it extends or includes; `children` led to it."""
    from jinja2 import TemplateNotFound, meta

    environment = _environment(folders)
    assert environment.loader is not None
    try:
        source, file, _ = environment.loader.get_source(environment, path)
    except TemplateNotFound as error:
        held = "; ".join(_held(folder) for folder in folders)
        raise ConfigError(f"there is no prompt {path}. Searched were: {held}") from error
    if path in children:
        raise ConfigError(f"prompt {file} extends itself: {' → '.join((*children, path))}")
    parents = sorted(parent for parent in meta.find_referenced_templates(environment.parse(source)) if parent)
    return [source, *(text for parent in parents for text in _with_parents(parent, folders, (*children, path)))]


def _held(folder: Path) -> str:
    """A folder and the prompts in it, for messages."""
    known = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.j2"))
    return f"{folder}, which holds {', '.join(known) or 'none'}"


@functools.cache
def _environment(folders: tuple[Path, ...]) -> SandboxedEnvironment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(
        loader=FileSystemLoader(folders),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the text goes to a model, not to a browser
    )
