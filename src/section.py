"""`Section`: the base of every section of a YAML, of a run and of a training alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import pydantic

from src.redaction import redact

LONGEST_NAME = 255
"""Bytes of a file's or folder's name on common file systems."""

Value = TypeVar("Value")

_IGNORED = "accepted for older files"
Ignored = Annotated[Value | None, _IGNORED]
"""A key that older files have and that has no effect: it is accepted, and the log says so."""

Name = Annotated[str, pydantic.Field(coerce_numbers_to_str=True)]
"""A text; `5` in a YAML is one here, as it is in data files."""


class Section(pydantic.BaseModel):
    """A part of a config. It cannot be changed, refuses unknown keys, and holds only paths that can exist."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @pydantic.model_validator(mode="after")
    def _paths_are_possible(self) -> Self:
        for name, value in self:
            if isinstance(value, Path) or name == "data_path":
                parts = Path(value).parts
                if "\0" in str(value) or any(len(part.encode()) > LONGEST_NAME for part in parts):
                    raise ValueError(f"{name} {str(value)!r:.80} is no possible path: a part has NUL or over 255 bytes")
        return self

    def redacted(self) -> dict[str, Any]:
        """Returns a JSON-able copy without secrets, as it is stored with a run."""
        secretless: dict[str, Any] = redact(self.model_dump(mode="json"))
        return secretless

    def ignored_keys(self) -> Iterator[str]:
        """Yields the keys that were given and have no effect, such as `runtime.num_workers`."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Section):
                yield from (f"{name}.{key}" for key in value.ignored_keys())
            elif self.ignores(name) and name in self.model_fields_set:
                yield name

    @classmethod
    def ignores(cls, name: str) -> bool:
        """Tells whether a key is accepted for older files only."""
        return _IGNORED in cls.model_fields[name].metadata
