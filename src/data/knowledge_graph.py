"""`KnowledgeGraph`: what a right picture shows, as elements and the dependencies between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Dependency:
    """A directed, named connection of two elements, such as (sun, Causes, shadow)."""

    source: str
    relation: str
    target: str


@dataclass(frozen=True, slots=True)
class KnowledgeGraph:
    """The reference graph of a sample, after MMMG (arXiv 2506.10963)."""

    elements: tuple[str, ...]
    """At least one, all different."""
    dependencies: tuple[Dependency, ...]
    """All different, each between two elements."""


def read_knowledge_graph(value: Any) -> KnowledgeGraph:
    """Reads `{"elements": [name, …], "dependencies": [[source, relation, target], …]}`; the latter may be absent.

    Raises:
        ValueError: when the value has another form, repeats something, or connects what is no element.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"is {type(value).__name__}, not an object with `elements` and `dependencies`")
    elements = tuple(_name(element) for element in _list(value.get("elements"), "elements"))
    if not elements:
        raise ValueError("has no elements")
    dependencies = tuple(_dependency(entry) for entry in _list(value.get("dependencies") or [], "dependencies"))
    for what, entries in (("elements", elements), ("dependencies", dependencies)):
        if len(set(entries)) < len(entries):
            raise ValueError(f"lists one of its {what} twice")
    unknown = {end for one in dependencies for end in (one.source, one.target)} - set(elements)
    if unknown:
        raise ValueError(f"connects what is not among its elements: {', '.join(sorted(unknown))}")
    return KnowledgeGraph(elements, dependencies)


def _list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"has {type(value).__name__} for `{name}`, not a list")
    return value


def _dependency(entry: Any) -> Dependency:
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise ValueError(f"has the dependency {entry!r:.80}, which is not [source, relation, target]")
    return Dependency(*map(_name, entry))


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"has the name {value!r:.80}, which is not text")
    return value.strip().encode(errors="replace").decode()  # half a surrogate pair fits into no prompt
