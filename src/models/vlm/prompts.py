"""The shipped judge prompts: versioned Jinja2 files in `prompts/`, one folder per protocol, rendered in a sandbox."""

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
            jinja2.UndefinedError: when the template names a value that is not given.
        """
        system, user = (self.template.render(part=part, **values).strip() for part in ("system", "user"))
        return system, user


def with_rules(system: str, rules: str) -> str:
    """The system prompt of a policy that is also told by which rules the form of its text is judged."""
    return f"{system}\n\n{rules}" if rules else system


@functools.cache
def load_prompt(protocol: str, name: str, language: Language) -> PromptTemplate:
    """Reads `prompts/<protocol>/<name>.<language>.j2`.

    Raises:
        ConfigError: when there is no such prompt, naming those that exist, or when its first line does not say
            `{# protocol/name vN #}`.
    """
    path = f"{protocol}/{name}.{language}.j2"
    if not (PROMPTS_FOLDER / path).is_file():
        known = sorted(file.relative_to(PROMPTS_FOLDER).as_posix() for file in PROMPTS_FOLDER.rglob("*.j2"))
        raise ConfigError(f"there is no prompt {path} in {PROMPTS_FOLDER}; it holds {', '.join(known) or 'none'}")
    sources = _with_parents(path)
    first = _FIRST_LINE.match(sources[0])
    if first is None or first["name"] != f"{protocol}/{name}":
        raise ConfigError(f"prompt {path} must begin with the line {{# {protocol}/{name} v1 #}}")
    digest = hashlib.sha256("\0".join(sources).encode()).hexdigest()
    return PromptTemplate(_environment().get_template(path), f"{first['name']} {first['version']}", digest)


def _with_parents(path: str) -> list[str]:
    """The source of a template, followed by the sources of those that it extends or includes."""
    from jinja2 import meta

    source = (PROMPTS_FOLDER / path).read_text(encoding="utf-8")
    parents = sorted(parent for parent in meta.find_referenced_templates(_environment().parse(source)) if parent)
    return [source, *(text for parent in parents for text in _with_parents(parent))]


@functools.cache
def _environment() -> SandboxedEnvironment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(
        loader=FileSystemLoader(PROMPTS_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the text goes to a model, not to a browser
    )
