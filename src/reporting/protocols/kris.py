"""KRIS-Bench's tables: four metrics by group of categories; an average is the mean of all single values."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from src.reporting.protocols.tables import (
    PERCENT,
    Metric,
    ProtocolRow,
    ProtocolTable,
    TableRow,
    grouped,
    macro_row,
    mean_row,
    percent,
)

GROUPS = {
    "attribute": ("count_change", "color_change", "size_adjustment", "part_completion", "anomaly_correction"),
    "spatial": ("viewpoint_change", "position_movement"),
    "temporal": ("temporal_prediction",),
    "social": ("humanities", "practical_knowledge"),
    "natural": ("biology", "chemistry", "geography", "medicine", "mathematics", "physics"),
    "logical": ("abstract_reasoning", "rule-based_reasoning"),
    "decomposition": ("multi-element_composition", "multi-instruction_execution"),
}
"""The seven dimensions of the benchmark, with their folders (BAGEL's eval/gen/kris)."""
TYPES = {
    "factual": ("attribute", "spatial", "temporal"),
    "conceptual": ("social", "natural"),
    "procedural": ("logical", "decomposition"),
}
"""The types of knowledge, with their groups."""
METRICS = {
    "VC": "consistency_score",
    "VQ": "quality_score",
    "IF": "instruction_score",
    "KP": "knowledge_score",
}
"""Visual consistency, visual quality, instruction following and knowledge plausibility."""
AVERAGE = "average"
_TYPE_OF = {group: name for name, groups in TYPES.items() for group in groups}
_GROUP_OF = {category: name for name, categories in GROUPS.items() for category in categories}


def kris_tables(rows: Sequence[ProtocolRow], as_published: bool) -> list[ProtocolTable]:
    """The metrics of each group and of each category.

    As published, a sample of which one metric could not be read counts with its others.
    """
    metrics = tuple(_metric(name, dimension, as_published) for name, dimension in METRICS.items())
    average = Metric(AVERAGE, PERCENT, lambda row: None)  # no sample has one: it is made of means
    columns = (*metrics, average)
    by_group = [replace(row, group=_GROUP_OF.get(row.group, row.group)) for row in rows]
    groups = [_averaged(name, some, metrics) for name, some in grouped(by_group, tuple(GROUPS)).items()]
    categories = [_averaged(name, some, metrics) for name, some in grouped(rows, tuple(_GROUP_OF)).items()]
    by_type = [replace(row, group=_TYPE_OF.get(row.group, row.group)) for row in by_group]
    types = [_averaged(name, some, metrics) for name, some in grouped(by_type, tuple(TYPES)).items()]
    whole = [_averaged("overall, micro", rows, metrics), macro_row(groups, (average,), len(GROUPS), "groups")]
    return [
        ProtocolTable("groups, per cent", columns, (*groups, *whole)),
        ProtocolTable("types of knowledge, per cent", columns, tuple(types)),
        ProtocolTable("categories, per cent", columns, tuple(categories)),
    ]


def _metric(name: str, dimension: str, also_unscored: bool) -> Metric:
    def value(row: ProtocolRow) -> float | None:
        score = row.values.get(dimension) if row.scored or also_unscored else None
        return None if score is None else percent(score)

    return Metric(name, PERCENT, value)


def _averaged(name: str, rows: Sequence[ProtocolRow], metrics: Sequence[Metric]) -> TableRow:
    """The means of the metrics, and the mean of all single values of all metrics."""
    row = mean_row(name, rows, metrics)
    every = [value for one in rows for metric in metrics if (value := metric.of(one)) is not None]
    return replace(row, values={**row.values, AVERAGE: statistics.fmean(every) if every else None})
