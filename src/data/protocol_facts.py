"""`ProtocolFacts`: the statement of a published protocol."""

from __future__ import annotations

from dataclasses import dataclass

RANDOM_NUMBER = (
    "a reply that cannot be read becomes no number: the official script's random integer is the one thing that is not "
    "reproduced, with `as_published` or without"
)


@dataclass(frozen=True)
class ProtocolFacts:
    """The statement of one protocol, in plain sentences."""

    name: str
    """Benchmark and version, such as `gedit@2025-05`; the version is the month of what it was read from."""
    benchmark: str
    source: str
    """Repository, folder and date of what it was read from."""
    judge: str
    """The judge of the published tables."""
    scale: tuple[float, float]
    """The lowest and the highest score of a sample on the protocol's own scale."""
    calls: str
    pictures: str
    """Order, sizes and codec of the pictures, and where the text stands."""
    sampling: str
    """System role, temperature, tokens."""
    reply: str
    """The form of a reply, and what becomes of one that cannot be read."""
    formula: str
    aggregation: str
    defects: tuple[str, ...] = ()
    """What the official script does wrong, and `as_published: true` reproduces."""
    not_reproduced: tuple[str, ...] = ()
    """What the official script does, and is never reproduced."""

    @property
    def short_name(self) -> str:
        """The benchmark's part of the name."""
        return self.name.partition("@")[0]

    def of_ten(self, score: float) -> float:
        """A score on the protocol's own scale as one from 0 to 10, by the line through both ends."""
        low, high = self.scale
        return 10 * (score - low) / (high - low)
