"""`Example`: one prompt of the policy, with what its reward is computed from, and how a completion to it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from src.data.image import ImageError, LazyImage
from src.data.sample import BadSample

Subject = TypeVar("Subject")

Keep = Callable[[LazyImage], LazyImage]
"""Proves that an image can be decoded, stores it on disk and returns it from there, so that it leaves memory."""


class UnparsableCompletion(ValueError):
    """A completion does not say what the task needs; the text is the reason, as a sentence part."""


class CompletionReader(Protocol):
    """The part of a task that a reward function needs."""

    def read(self, completion: str) -> str:
        """Returns the instruction or answer that a completion gives; raises `UnparsableCompletion` if it gives none."""


@dataclass(frozen=True)
class Example(Generic[Subject]):
    """One prompt of the policy."""

    example_id: str
    """Unique within a file."""
    source_sha256: str
    """Hash of the first image's bytes; examples that share it are never split between training and testing."""
    category: str
    request: str
    """What the user wants, or asks, as records and HTML pages show it."""
    system: str
    """The system message, with the scorer's rules of form; empty for none."""
    user: str
    """The text of the user's message."""
    images: tuple[LazyImage, ...]
    """The pictures that are shown before the user's text, in this order."""
    subject: Subject
    """What the reward is computed from, such as an `EditSample`."""


def streamed_examples(
    items: Iterable[Any], make: Callable[[Any], Example[Subject]], name: Callable[[Any], str]
) -> Iterator[Example[Subject] | BadSample]:
    """Streams the items of a data file as examples; one with a picture that cannot be decoded becomes a bad sample.

    Args:
        items: Samples or questions as a loader gives them, bad ones among them; each has an `index` and a `category`.
        make: Makes the example of an item, and stores its pictures.
        name: Tells the id of an item.
    """
    for item in items:
        if isinstance(item, BadSample):
            yield item
            continue
        try:
            yield make(item)
        except ImageError as error:
            yield BadSample(name(item), item.index, item.category, str(error))
