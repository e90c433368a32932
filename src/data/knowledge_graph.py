"""`KnowledgeGraph`: what a right picture shows, as elements and the dependencies between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_WRITTEN = re.compile(r"\s*(?P<relation>[^\s(),]+)\s*\((?P<ends>.*)\)\s*", re.DOTALL)
_CHANGE = re.compile(r"change\s*\((?P<element>.*)\)", re.DOTALL | re.IGNORECASE)


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
    """At least one element; all are different."""
    dependencies: tuple[Dependency, ...]
    """The dependencies, each between two elements; all are different."""


def read_knowledge_graph(value: Any, *, by_parts: bool = False) -> KnowledgeGraph:
    """Reads `{"elements": [name, …], "dependencies": [[source, relation, target], …]}`; the latter may be absent.

    A dependency may also be written `"Defines(source, target)"`, as in MMMG's data. There an end `change(x)` stands for
    the element x, unless `change(x)` is an element itself.

    Args:
        value: The object.
        by_parts: Whether an end of a written dependency that is no element stands for the only one of which it is a
            part, or that is a part of it, whatever the case; MMMG reads its data so. What is named twice counts once.

    Raises:
        ValueError: when the value has another form, repeats something, or connects what is no element.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"is {type(value).__name__}, not an object with `elements` and `dependencies`")
    elements = tuple(_name(element) for element in _list(value.get("elements"), "elements"))
    if not elements:
        raise ValueError("has no elements")
    entries = _list(value.get("dependencies") or [], "dependencies")
    dependencies = tuple(_dependency(entry, elements, by_parts) for entry in entries)
    if by_parts:
        elements, dependencies = tuple(dict.fromkeys(elements)), tuple(dict.fromkeys(dependencies))
    for what, named in (("elements", elements), ("dependencies", dependencies)):
        if len(set(named)) < len(named):
            raise ValueError(f"lists one of its {what} twice")
    unknown = {end for one in dependencies for end in (one.source, one.target)} - set(elements)
    if unknown:
        raise ValueError(f"connects what is not among its elements: {', '.join(sorted(unknown))}")
    return KnowledgeGraph(elements, dependencies)


def _list(value: Any, name: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"has {type(value).__name__} for `{name}`, not a list")
    return value


def _dependency(entry: Any, elements: Collection[str], by_parts: bool) -> Dependency:
    if isinstance(entry, str):
        return _written_dependency(entry, elements, by_parts)
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise ValueError(f"has the dependency {entry!r:.80}, which is not [source, relation, target]")
    return Dependency(*map(_name, entry))


def _written_dependency(entry: str, elements: Collection[str], by_parts: bool) -> Dependency:
    """Names may hold commas: the one that separates the ends is the one with an element on either side."""
    written = _WRITTEN.fullmatch(entry)
    if written is None:
        raise ValueError(f"has the dependency {entry!r:.80}, which is not `Relation(source, target)`")
    parts = written["ends"].split(",")
    splits = [(",".join(parts[:place]), ",".join(parts[place:])) for place in range(1, len(parts))]
    known = _known(splits, elements, _element)
    if not known and by_parts:
        known = _known(splits, elements, _element_by_part)
    if len(known) != 1:
        raise ValueError(f"has the dependency {entry!r:.80}, whose ends are not two of its elements")
    source, target = known[0]
    return Dependency(source, written["relation"], target)


def _known(
    splits: Iterable[tuple[str, str]],
    elements: Collection[str],
    find: Callable[[str, Collection[str]], str | None],
) -> list[tuple[str, str]]:
    """The pairs of elements that splits of the ends name."""
    found = [(find(source, elements), find(target, elements)) for source, target in splits]
    return [(source, target) for source, target in found if source is not None and target is not None]


def _element(end: str, elements: Collection[str]) -> str | None:
    """The element that an end names."""
    if not end.strip():
        return None
    name = _name(end)
    return name if name in elements else (changed if (changed := _changed(name)) in elements else None)


def _element_by_part(end: str, elements: Collection[str]) -> str | None:
    """The element that an end names, or the only one that has a part in common with it as a whole."""
    if (exact := _element(end, elements)) is not None or not end.strip():
        return exact
    name = _changed(_name(end)).casefold()
    similar = [one for one in elements if name in one.casefold() or one.casefold() in name]
    return similar[0] if len(similar) == 1 else None


def _changed(name: str) -> str:
    """The element x of `change(x)`; any other name as it is."""
    change = _CHANGE.fullmatch(name)
    return _name(change["element"]) if change and change["element"].strip() else name


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"has the name {value!r:.80}, which is not text")
    return value.strip().encode(errors="replace").decode()  # half a surrogate pair fits into no prompt
