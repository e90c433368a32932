"""YAML that others wrote: the safe loader, within bounds, with every fault as one `ConfigError`.

YAML of a few lines can stand for gigabytes (anchors within anchors), for itself (`&a [*a]`), or for values that Python
cannot build (the 45th of a month, integers of thousands of digits).
"""

from __future__ import annotations

import math
from typing import Any

import yaml

from src.errors import ConfigError

MAX_DEPTH = 50
MAX_VALUES = 100_000
"""Number of values that a file may have, with every alias written out."""
MAX_BITS = 4096
MAX_BYTES = 2**20


def parse_yaml(text: str, where: str) -> Any:
    """The value of a YAML text; dates stay texts.

    Args:
        text: One document.
        where: What the text is, for messages.

    Raises:
        ConfigError: it is no YAML, or exceeds a limit.
    """
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{where} has {len(text):,} characters, above the limit of {MAX_BYTES:,}; is it a config?")
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {error}") from error
    except (ValueError, OverflowError, TypeError, KeyError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]
        raise ConfigError(f"{where} holds a value that cannot be read: {reason}") from error
    _count(value, where, {}, ())
    return value


class _Loader(yaml.SafeLoader):
    """The safe loader with a bound on its own recursion, and without dates."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        try:
            if self.depth > MAX_DEPTH:
                mark = self.peek_event().start_mark
                raise yaml.composer.ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MAX_VALUES:  # merges (`<<`) of merges, each ten times as large
            reason = f"a mapping of more than {MAX_VALUES:,} entries with its merges written out"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _count(value: Any, where: str, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Counts the values with every alias written out; each distinct list or mapping is looked at once."""
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ConfigError(f"{where} holds half a surrogate pair, which is no character: {value!a:.80}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where} holds {value}, which is no number that a setting can have")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ConfigError(f"{where} holds a number of {value.bit_length():,} bits, which no setting can have")
    if isinstance(value, bytes | set):
        raise ConfigError(f"{where} holds a {type(value).__name__}, which no setting can be: write a text or a list")
    if not isinstance(value, dict | list | tuple):
        return 1
    if id(value) in above:
        raise ConfigError(f"{where} holds a value that contains itself (an anchor within its own value)")
    if id(value) not in sizes:
        held = [*value, *value.values()] if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_count(item, where, sizes, (*above, id(value))) for item in held)
    if sizes[id(value)] > MAX_VALUES:
        raise ConfigError(f"{where} stands for more than {MAX_VALUES:,} values with its aliases written out")
    return sizes[id(value)]
