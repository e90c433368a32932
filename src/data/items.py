"""What the readers of samples and of questions share: fields, ids, and which items a selection takes."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from src.data.names import CONTROL, MAX_NAME_BYTES, storable
from src.data.sample import BadSample, PassedOver, Unusable
from src.data.selection import Selection
from src.errors import DataError

logger = logging.getLogger(__name__)

LARGEST_DIFFICULTY = 10**9
_UNSAFE_ID = re.compile(rf"[/\\{CONTROL}]|\.\.|^\.|^\s*$")


class HasCategory(Protocol):
    """Any item, sample or question, that may have a category."""

    @property
    def category(self) -> str | None:
        """The category; None where the item states none that can be used."""


ItemT = TypeVar("ItemT", bound=HasCategory)


class ItemIds:
    """Gives each item of a file an id that no other item of the file has.

    Args:
        kind: What an item without an id of its own is called: `<kind>_<index>`.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.renamed = 0
        """How many items have another id than the one that they state."""
        self._uses: dict[str, int] = {}
        self._origins: dict[tuple[str, str], int] = {}

    def by_index(self, index: int) -> str:
        """The id of an item that states none, or none that can be used."""
        return self._free(f"{self._kind}_{index:05d}")

    def stated(self, field: str, origin: str, wanted: str, index: int) -> str:
        """The id that an item states, with a number behind it where another field led to the same one.

        Args:
            field: The field that states it.
            origin: What stands there, which no other item may have in this field.
            wanted: The id that it means.
            index: The place of the item in the file.

        Raises:
            Unusable: an item before has the same `origin`.
        """
        if (field, origin) in self._origins:
            raise Unusable(f"the id {origin!r:.80} is a duplicate of item {self._origins[field, origin]}")
        self._origins[field, origin] = index
        return self._free(wanted)

    def taken(self, sample_id: str) -> None:
        """Notes that an item that is not read has this id."""
        self._uses.setdefault(sample_id, 1)

    def _free(self, wanted: str) -> str:
        """`wanted`, or the first of `wanted-2`, `wanted-3` … that is not in use."""
        candidate = wanted
        while candidate in self._uses:
            self._uses[wanted] += 1
            candidate = f"{wanted}-{self._uses[wanted]}"
        self._uses[candidate] = 1
        self.renamed += candidate != wanted
        return candidate


def is_safe_file_name(name: str) -> bool:
    """Whether an id can be the name of a file on every file system, with a suffix behind it."""
    return not _UNSAFE_ID.search(name) and len(name.encode()) <= MAX_NAME_BYTES


def text_field(fields: Mapping[str, Any], name: str) -> str:
    """A text field without outer blanks; empty when absent.

    Raises:
        Unusable: it is something else than text.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"field `{name}` is {type(value).__name__}, not text")
    return storable(value).strip()


def difficulty_field(fields: Mapping[str, Any]) -> str | None:
    """The difficulty: text as it stands, and a number as text (3 and 3.0 are both `3`); None when absent.

    Raises:
        Unusable: it is neither.
    """
    value = fields.get("difficulty")
    if not isinstance(value, int | float) or isinstance(value, bool):
        return text_field(fields, "difficulty") or None
    if value != value:  # NaN is how tables of numbers leave a cell empty
        return None
    if abs(value) > LARGEST_DIFFICULTY:
        raise Unusable(f"field `difficulty` is a number above {LARGEST_DIFFICULTY}")
    return repr(value).removesuffix(".0")


def stated_difficulty(fields: Mapping[str, Any] | None) -> str | None:
    """The difficulty that a filter sees; None where the item states none that can be used."""
    try:
        return difficulty_field(fields or {})
    except Unusable:
        return None


def selected_items(
    items: Iterable[tuple[ItemT | BadSample, str | None]],
    data_path: str,
    selection: Selection,
    left_out: Counter[str] | None = None,
) -> Iterator[ItemT | BadSample]:
    """The items that a selection takes, in the order of their file, up to its limit.

    Args:
        items: Every item of the file, with the difficulty that it states. Those that were passed over are taken.
        data_path: The file, for messages.
        selection: What to take.
        left_out: Counts the items that are passed over, by category.

    Raises:
        DataError: nothing is selected at all.
    """
    seen: Counter[tuple[str, str]] = Counter()
    languages: set[str] = set()
    taken, whole = 0, True
    for item, difficulty in items:
        if isinstance(item, PassedOver):
            whole = False  # its names may be among those that the selection asks for
        else:
            category = item.category or "(none)"
            seen[category, difficulty or "(none)"] += 1
            languages.update(filter(None, [_language(item)]))
            if not _is_selected(item, difficulty, selection):
                if left_out is not None:
                    left_out[category] += 1
                continue
        taken += 1
        yield item
        if taken == selection.limit:
            return
    if not taken:
        raise _nothing_selected(data_path, selection, seen, languages)
    for problem in selection.unknown(seen) if whole else ():
        logger.warning("%s: %s", data_path, problem)


def _is_selected(item: HasCategory, difficulty: str | None, selection: Selection) -> bool:
    """A bad item that does not say its category or difficulty is shown rather than silently dropped."""
    if _language(item) not in (None, selection.language):
        return False
    if item.category is not None and not selection.takes_category(item.category):
        return False
    return selection.takes_difficulty(difficulty) or (isinstance(item, BadSample) and difficulty is None)


def _language(item: object) -> str | None:
    """The language of an item's instruction, where it is in a benchmark whose items have one each."""
    return getattr(item, "instruction_language", None)


def _nothing_selected(
    data_path: str, selection: Selection, seen: Counter[tuple[str, str]], languages: set[str]
) -> DataError:
    present = ", ".join(f"{category} {difficulty}: {count}" for (category, difficulty), count in seen.items())
    problems = "".join(f" {problem}" for problem in selection.unknown(seen))
    if languages and selection.language not in languages:
        problems += f" No instruction is in {selection.language}: set benchmark.language to {', '.join(languages)}."
    return DataError(f"nothing in {data_path} matches {selection.describe()}.{problems} The file holds {present}.")
