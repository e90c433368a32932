"""`Selection`: which samples of a benchmark a run takes, in which language, and in which layout they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from src.benchmark_config import BenchmarkConfig, SelectionConfig
from src.benchmark_layouts import BenchmarkLayout
from src.data.categories import ENGLISH, category_key, category_label, difficulty_key
from src.errors import did_you_mean
from src.shard import Shard

NAMES_SHOWN = 12


@dataclass(frozen=True)
class Selection:
    """A filter over a benchmark file; None selects everything.

    Names are compared without case, and the five categories by either of their names.
    """

    categories: tuple[str, ...] | None = None
    difficulties: tuple[str, ...] | None = None
    limit: int | None = None
    """The first N selected items in file order, good and bad ones alike."""
    language: Literal["en", "zh"] = "en"
    follow_links: bool = False
    """Whether images behind links out of the file's folder are read."""
    format: BenchmarkLayout = "native"
    """The layout in which the benchmark is stored."""
    image_dir: str | None = None
    """The folder from which the image paths of the benchmark lead; its own place in the layout when None."""
    shard: Shard | None = None
    """The part that is taken of what all else selects, `limit` included; None takes all of it."""

    @classmethod
    def of(cls, section: SelectionConfig, *, limited: bool = True) -> Selection:
        """Returns what a section of a config asks for, without its `limit` where that is meant for other files."""
        return cls(
            categories=tuple(section.categories) if section.categories else None,
            difficulties=tuple(section.difficulties) if section.difficulties else None,
            limit=section.limit if limited else None,
            language=section.language,
            follow_links=section.follow_links,
            format=section.format,
            image_dir=None if section.image_dir is None else str(section.image_dir),
            shard=_shard(section),
        )

    def takes_category(self, name: str | None) -> bool:
        """Whether items of this category are selected."""
        return not self.categories or (name is not None and category_key(name) in self._categories)

    def takes_difficulty(self, name: str | None) -> bool:
        """Whether items of this difficulty are selected."""
        return not self.difficulties or (name is not None and difficulty_key(name) in self._difficulties)

    @cached_property
    def _categories(self) -> frozenset[str]:
        return frozenset(map(category_key, self.categories or ()))

    @cached_property
    def _difficulties(self) -> frozenset[str]:
        return frozenset(map(difficulty_key, self.difficulties or ()))

    def describe(self) -> str:
        """Says in a message what is selected, such as `category in 物理, 环境; difficulty in hard`."""
        parts = []
        if self.categories:
            parts.append(f"category in {', '.join(self.categories)}")
        if self.difficulties:
            parts.append(f"difficulty in {', '.join(self.difficulties)}")
        return "; ".join(parts) or "everything"

    def unknown(self, seen: Mapping[tuple[str, str], int]) -> list[str]:
        """A sentence for each name that no item of the file has, with those that exist.

        Args:
            seen: How often each pair of category and difficulty occurs in the file.
        """
        categories: Counter[str] = Counter()
        difficulties: Counter[str] = Counter()
        for (category, difficulty), count in seen.items():
            categories[category] += count
            difficulties[difficulty] += count
        return [
            *_unknown("the category", self.categories, categories, category_key),
            *_unknown("the difficulty", self.difficulties, difficulties, difficulty_key),
        ]


def _shard(section: SelectionConfig) -> Shard | None:
    """The shard of a benchmark; the data of a training has none."""
    return Shard.parse(section.shard) if isinstance(section, BenchmarkConfig) and section.shard else None


def _unknown(kind: str, wanted: Iterable[str] | None, held: Counter[str], key: Callable[[str], str]) -> Iterator[str]:
    known = {key(name) for name in held}
    english = [ENGLISH[name] for name in held if name in ENGLISH]
    there = ", ".join(f"{category_label(name)} {count}" for name, count in held.most_common(NAMES_SHOWN))
    more = ", …" if len(held) > NAMES_SHOWN else ""
    for name in wanted or ():
        if key(name) not in known:
            yield f"No item has {kind} {name!r}.{did_you_mean(name, [*held, *english])} There is: {there}{more}."
