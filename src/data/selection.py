"""`Selection`: which samples of a benchmark a run takes, and in which language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Selection:
    """A filter over a benchmark file; None selects everything."""

    categories: tuple[str, ...] | None = None
    difficulties: tuple[str, ...] | None = None
    limit: int | None = None
    """The first N selected items in file order, good and bad ones alike."""
    language: Literal["en", "zh"] = "en"

    def describe(self) -> str:
        """For messages: `category in 物理, 环境; difficulty in hard`."""
        parts = []
        if self.categories:
            parts.append(f"category in {', '.join(self.categories)}")
        if self.difficulties:
            parts.append(f"difficulty in {', '.join(self.difficulties)}")
        return "; ".join(parts) or "everything"
