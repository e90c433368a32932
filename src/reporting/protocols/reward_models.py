"""Tables of the protocols of reward models, which publish no aggregation: means by category and over all."""

from __future__ import annotations

from collections.abc import Sequence

from src.reporting.protocols.tables import Metric, ProtocolRow, ProtocolTable, dimension, grouped, macro_row, mean_row
from src.reporting.statistics import SCORES, Scale

_FIVE: Scale = (1.0, 5.0)
_VIE = (
    dimension("SC", SCORES, "semantic_consistency"),
    dimension("PQ", SCORES, "perceptual_quality"),
    dimension("O", SCORES, "protocol_score"),
)
_FIRM_EDIT = (
    dimension("execution", _FIVE, "execution"),
    dimension("consistency", _FIVE, "consistency"),
    dimension("reward", (0.0, 1.0), "protocol_score"),
)
_FOUR: Scale = (1.0, 4.0)
_RATIONALREWARDS = (
    dimension("text", _FOUR, "text_faithfulness"),
    dimension("image", _FOUR, "image_faithfulness"),
    dimension("quality", _FOUR, "physical_quality"),
    dimension("rendering", _FOUR, "text_rendering"),
    dimension("reward", (0.0, 1.0), "protocol_score"),
)


def vie_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """SC, PQ and O, of EditScore and UnifiedReward-Edit."""
    return [_by_category(rows, _VIE)]


def firm_edit_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """Both numbers and the reward, of FIRM-Edit."""
    return [_by_category(rows, _FIRM_EDIT)]


def rationalrewards_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """The aspects, text rendering over the samples to which it applies, and the reward, of RationalRewards."""
    return [_by_category(rows, _RATIONALREWARDS)]


def _by_category(rows: Sequence[ProtocolRow], metrics: tuple[Metric, ...]) -> ProtocolTable:
    categories = [mean_row(name, group, metrics) for name, group in grouped(rows, ()).items()]
    whole = [macro_row(categories, metrics, len(categories), "categories"), mean_row("overall, micro", rows, metrics)]
    return ProtocolTable("categories", metrics, (*categories, *whole))
