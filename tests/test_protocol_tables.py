"""The aggregates of published protocols: equal to hand computations, and to published figures where their parts are."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import pytest

from src.data.verdict import Status
from src.reporting.protocols.complex_edit import complex_edit_tables
from src.reporting.protocols.gedit import TASKS, gedit_tables
from src.reporting.protocols.imgedit import TYPES, imgedit_tables
from src.reporting.protocols.kris import GROUPS, METRICS, kris_tables
from src.reporting.protocols.reward_models import rationalrewards_tables, vie_tables
from src.reporting.protocols.rise import CATEGORIES, rise_tables, uniredit_tables
from src.reporting.protocols.tables import ProtocolRow, ProtocolTable, TableRow

SCORED, FAILED = Status.SCORED, Status.UNPARSABLE
INAPPLICABLE, BAD = Status.NOT_APPLICABLE, Status.BAD_SAMPLE
RISE_COUNTS = (85, 90, 100, 85)
RISE_PUBLISHED = {
    "GPT-Image-1.5": (57.6, 62.2, 62.0, 21.2, 51.4),
    "GPT-Image-2": (45.9, 66.7, 50.0, 34.1, 49.4),
    "Gemini-3-pro-image": (43.5, 63.3, 48.0, 37.6, 48.3),
    "Gemini-2.5-flash-image": (29.4, 48.9, 37.0, 18.8, 33.9),
    "GPT-Image-1": (36.5, 34.4, 37.0, 10.6, 30.0),
    "Qwen-Image-Edit-2511": (21.2, 18.9, 31.0, 4.7, 19.4),
    "BAGEL-CoT": (11.8, 27.8, 21.0, 1.2, 15.8),
    "Qwen-Image-Edit-2509": (4.7, 11.1, 17.0, 2.4, 9.2),
    "BAGEL": (3.5, 4.4, 14.0, 0.0, 5.8),
    "Kontext-dev": (2.3, 5.5, 13.0, 1.2, 5.8),
    "Step1X": (0.0, 2.2, 2.0, 3.5, 1.9),
}
"""Accuracy in per cent (temporal, causal, spatial, logical, overall): README of PhoenixZ810/RISEBench, 2026-05."""

IMGEDIT_COUNTS = {
    **{"extract": 117, "style": 100, "add": 95, "adjust": 94, "background": 94},
    **{"replace": 92, "remove": 86, "action": 36, "compose": 23},
}
BAGEL_IMGEDIT = {
    **{"background": 3.28, "adjust": 3.23, "style": 4.26, "extract": 1.48, "remove": 2.99},
    **{"add": 3.45, "replace": 3.76, "compose": 3.18, "action": 4.38},
}
"""Means by edit type of BAGEL, judged by gpt-4o-2024-11-20 (ByteDance-Seed/Bagel, eval/gen/imgedit)."""

BAGEL_COT_KRIS = {
    "attribute": ((75.09, 74.00, 53.18), 67.42),
    "spatial": ((78.75, 87.25, 39.00), 68.33),
    "temporal": ((48.31, 81.08, 46.62), 58.67),
    "social": ((80.40, 79.40, 51.60, 42.80), 63.55),
    "natural": ((67.68, 82.95, 52.10, 42.88), 61.40),
    "logical": ((62.83, 79.67, 28.33, 21.67), 48.12),
    "decomposition": ((47.83, 66.83, 36.00), 50.22),
}
"""Metrics (VC, VQ, IF and, where judged, KP) and average by group, BAGEL with CoT (mercurystraw/Kris_Bench#1)."""


def line(table: ProtocolTable, name: str) -> TableRow:
    return next(row for row in table.rows if row.name.startswith(name))


def rise_row(category: str, reasoning: float | None, consistency: float = 5, plausibility: float = 5) -> ProtocolRow:
    if reasoning is None:
        return ProtocolRow(category, FAILED, {"consistency": consistency})
    values = {"reasoning": reasoning, "consistency": consistency, "plausibility": plausibility}
    if category == "logical_reasoning":
        del values["plausibility"]
    return ProtocolRow(category, SCORED, {**values, "protocol_score": reasoning})


@pytest.mark.parametrize("editor", RISE_PUBLISHED)
def test_the_published_overall_accuracy_of_rise_is_the_mean_over_its_items(editor: str) -> None:
    *parts, overall = RISE_PUBLISHED[editor]
    rows = []
    for category, count, accuracy in zip(CATEGORIES, RISE_COUNTS, parts, strict=True):
        right = round(accuracy * count / 100)
        rows += [rise_row(category, 5.0 if place < right else 4.0) for place in range(count)]
    table = rise_tables(rows, as_published=False)[0]
    for category, accuracy in zip(CATEGORIES, parts, strict=True):
        assert line(table, category).values["accuracy %"] == pytest.approx(accuracy, abs=0.06)
    assert line(table, "overall, micro").values["accuracy %"] == pytest.approx(overall, abs=0.06)


def test_a_rise_sample_is_accurate_when_every_dimension_that_applies_is_5() -> None:
    free = ProtocolRow("causal_reasoning", SCORED, {"reasoning": 5, "plausibility": 5, "protocol_score": 5})
    rows = [rise_row("causal_reasoning", 5), rise_row("causal_reasoning", 5, 4), rise_row("logical_reasoning", 5), free]
    table = rise_tables(rows, as_published=False)[0]
    assert line(table, "causal_reasoning").values["accuracy %"] == pytest.approx(200 / 3)
    assert line(table, "logical_reasoning").values["accuracy %"] == 100.0


def test_a_rise_sample_without_a_score_is_in_no_mean_and_as_published_it_is_wrong() -> None:
    rows = [rise_row("causal_reasoning", 5), rise_row("causal_reasoning", None)]
    ours, published = (line(rise_tables(rows, flag)[0], "overall, micro") for flag in (False, True))
    assert ours.values["accuracy %"] == 100.0
    assert published.values["accuracy %"] == 50.0
    assert ours.values["score"] == published.values["score"] == 5.0
    assert ours.values["score %"] == 100.0
    assert (ours.scored, ours.total) == (1, 2)


def test_rise_has_macro_beside_micro_and_subtasks_where_the_data_tell_them() -> None:
    rows = [rise_row("causal_reasoning", 5), rise_row("causal_reasoning", 3), rise_row("spatial_reasoning", 1)]
    rows.append(ProtocolRow("spatial_reasoning", SCORED, {**rows[2].values}, {"subtask": "Layout Reasoning"}))
    table, dimensions, subtasks = rise_tables(rows, as_published=False)
    assert line(table, "overall, micro").values["score"] == (5 + 3 + 1 + 1) / 4
    macro = line(table, "overall, macro")
    assert macro.values["score"] == (4 + 1) / 2
    assert macro.note == "over 2 of the benchmark's 4 categories"
    assert line(dimensions, "causal_reasoning").values["reasoning %"] == 75.0
    assert [row.name for row in subtasks.rows] == ["Layout Reasoning"]


def imgedit_rows(means: dict[str, float], counts: dict[str, int]) -> list[ProtocolRow]:
    return [
        ProtocolRow(name, SCORED, {"protocol_score": means[name]}, {}, f"source {place % 20}")
        for name, count in counts.items()
        for place in range(count)
    ]


def test_bagels_imgedit_means_give_the_macro_mean_and_not_the_published_micro_mean() -> None:
    """Published is 3.28, over items that are not told; the full counts give 3.22, and the mean of types 3.33."""
    (table,) = imgedit_tables(imgedit_rows(BAGEL_IMGEDIT, IMGEDIT_COUNTS), as_published=True)
    assert sum(IMGEDIT_COUNTS.values()) == 737
    assert line(table, "overall, macro").values["score"] == pytest.approx(3.33, abs=0.005)
    assert line(table, "overall, micro").values["score"] == pytest.approx(3.22, abs=0.005)
    assert {row.name: row.values["score"] for row in table.rows[:9]} == pytest.approx(BAGEL_IMGEDIT)


def test_an_interval_of_imgedit_counts_samples_of_one_source_once() -> None:
    def width(sources: Callable[[int], str]) -> float:
        rows = [
            ProtocolRow("add", SCORED, {"protocol_score": 1.0 + place % 5}, {}, sources(place)) for place in range(40)
        ]
        (table,) = imgedit_tables(rows, as_published=False)
        interval = line(table, "overall, micro").ci95["score"]
        assert interval is not None
        return interval[1] - interval[0]

    assert width(lambda place: f"source {place % 5}") > 1.5 * width(lambda place: f"source {place}")


def test_as_published_a_type_of_imgedit_is_rounded_to_two_decimals() -> None:
    rows = [ProtocolRow("add", SCORED, {"protocol_score": value}) for value in (4.0, 4.0, 3.67)]
    ours, published = (imgedit_tables(rows, flag)[0] for flag in (False, True))
    assert line(ours, "add").values["score"] == pytest.approx(3.89)
    assert line(published, "add").values["score"] == 3.89
    assert line(ours, "overall, macro").note == "over 1 of the benchmark's 9 edit types"


def gedit_row(task: str, values: tuple[float, float], language: str = "en", both: bool = False) -> ProtocolRow:
    consistency, quality = values
    said = {"semantic_consistency": consistency, "perceptual_quality": quality}
    attributes = {"instruction_language": language, "Intersection_exist": str(both).lower()}
    return ProtocolRow(task, SCORED, {**said, "protocol_score": math.sqrt(consistency * quality)}, attributes)


def test_gedit_means_scores_of_samples_by_task_and_then_over_tasks() -> None:
    """The mean of √(SC · PQ), not √ of the means: 4 and 0 make 2, where the means 4 and 4.5 would make 4.2."""
    rows = [
        gedit_row("subject-add", (2, 8)),
        gedit_row("subject-add", (0, 9)),
        gedit_row("text_change", (9, 9), both=True),
    ]
    rows.append(gedit_row("text_change", (1, 1), "cn"))
    full, intersection, chinese = gedit_tables(rows, as_published=False)
    assert line(full, "subject-add").values == {"SC": 1.0, "PQ": 8.5, "O": 2.0}
    assert line(full, "overall, macro").values["O"] == (2.0 + 9.0) / 2
    assert line(full, "overall, micro").values["O"] == pytest.approx((4 + 0 + 9) / 3)
    assert line(intersection, "overall, macro").values["O"] == 9.0
    assert [table.title for table in (full, intersection, chinese)] == [
        "full set, en",
        "intersection, en",
        "full set, cn",
    ]
    assert line(chinese, "overall, macro").note == "over 1 of the benchmark's 11 tasks"


def test_a_task_that_was_run_and_has_no_score_leaves_no_mean_over_tasks() -> None:
    scored = gedit_row("subject-add", (2, 8))
    (table,) = gedit_tables(
        [scored, ProtocolRow("text_change", FAILED, {"naturalness": 9.0}, scored.attributes)], False
    )
    assert line(table, "text_change").values == {"SC": None, "PQ": None, "O": None}
    assert line(table, "overall, macro").values["O"] is None
    micro = line(table, "overall, micro")
    assert (micro.values["O"], micro.scored, micro.total) == (4.0, 1, 2)


def kris_row(category: str, percents: tuple[float, ...]) -> ProtocolRow:
    values = {name: value / 25 + 1 for name, value in zip(METRICS.values(), percents, strict=False)}
    return ProtocolRow(category, SCORED, {**values, "protocol_score": statistics.fmean(values.values())})


def test_the_published_averages_of_kris_are_plain_means_of_their_rows() -> None:
    rows = [kris_row(GROUPS[name][0], metrics) for name, (metrics, _) in BAGEL_COT_KRIS.items()]
    table = kris_tables(rows, as_published=False)[0]
    for name, (metrics, average) in BAGEL_COT_KRIS.items():
        row = line(table, name)
        assert row.values["average"] == pytest.approx(average, abs=0.006)
        assert [row.values[metric] for metric in METRICS][: len(metrics)] == pytest.approx(list(metrics))
    macro = statistics.fmean(average for _, average in BAGEL_COT_KRIS.values())
    assert line(table, "overall, macro").values["average"] == pytest.approx(macro, abs=0.006)


def test_the_overall_score_of_kris_is_the_mean_of_all_single_values() -> None:
    rows = [
        kris_row("physics", (100, 50, 0, 50)),
        kris_row("color_change", (100, 100, 25)),
        kris_row("biology", (0, 0, 0, 0)),
    ]
    table, types, categories = kris_tables(rows, as_published=False)
    assert line(table, "overall, micro").values["average"] == pytest.approx((200 + 225 + 0) / 11)
    assert line(table, "overall, macro").values == {"average": pytest.approx((25 + 75) / 2)}
    assert line(table, "natural").values == {"VC": 50, "VQ": 25, "IF": 0, "KP": 25, "average": 25}
    assert line(types, "conceptual").values["average"] == 25
    assert [row.name for row in types.rows] == ["factual", "conceptual"]
    assert line(categories, "biology").values["average"] == 0.0


def test_the_average_of_a_kris_group_counts_single_values_where_some_are_missing() -> None:
    """As in BAGEL's summary: of 100, 100, 100 and 0 the mean is 75, and not (50 + 100 + 100) / 3."""
    rows = [kris_row("color_change", (100, 100, 100)), ProtocolRow("color_change", FAILED, {"consistency_score": 1.0})]
    assert line(kris_tables(rows, as_published=True)[0], "attribute").values["average"] == 75.0


def test_a_kris_sample_with_one_unread_metric_counts_as_published_alone() -> None:
    partly = ProtocolRow("color_change", FAILED, {"consistency_score": 1.0})
    rows = [kris_row("color_change", (100, 100, 100)), partly]
    ours, published = (line(kris_tables(rows, flag)[0], "attribute") for flag in (False, True))
    assert (ours.values["VC"], published.values["VC"]) == (100.0, 50.0)
    assert (ours.scored, ours.total) == (published.scored, published.total) == (1, 2)


def test_uniredit_has_scores_and_accuracy_by_class() -> None:
    values = {"reasoning": 5.0, "consistency": 5.0, "plausibility": 4.0, "protocol_score": 4.8}
    rows = [
        ProtocolRow("Maze", SCORED, values),
        ProtocolRow("Maze", FAILED, {}),
        ProtocolRow("Soko", SCORED, {**values, "plausibility": 5.0}),
    ]
    table, dimensions = uniredit_tables(rows, as_published=True)
    assert line(table, "overall, micro").values == {"score": 4.8, "score %": pytest.approx(95), "accuracy %": 50.0}
    assert line(dimensions, "Maze").values["plausibility %"] == 75.0


def test_every_value_stands_on_0_to_10_as_well() -> None:
    (table,) = imgedit_tables([ProtocolRow("add", SCORED, {"protocol_score": 4.0})], as_published=False)
    data: dict[str, Any] = table.data()
    assert data["rows"][0]["of_ten"] == {"score": 7.5}
    assert data["metrics"] == [{"name": "score", "scale": [1.0, 5.0]}]


def test_the_groups_of_the_benchmarks_are_as_many_as_published() -> None:
    assert (len(TASKS), len(TYPES), len(CATEGORIES), len(GROUPS)) == (11, 9, 4, 7)
    assert len({category for categories in GROUPS.values() for category in categories}) == 20


def test_complex_edit_has_a_line_a_level_and_as_published_the_quality_for_the_overall_score() -> None:
    values = {
        "instruction_following": 2.0,
        "identity_preservation": 10.0,
        "perceptual_quality": 9.0,
        "protocol_score": 7.0,
    }
    rows = [ProtocolRow("complex-edit", SCORED, values, {"level": level}) for level in ("1", "8", "8")]
    (ours,), (published,) = (complex_edit_tables(rows, flag) for flag in (False, True))
    assert [row.name for row in ours.rows[:2]] == ["level 1", "level 8"]
    assert line(ours, "level 8").values["overall"] == 7.0
    assert line(published, "level 8").values["overall"] == 9.0
    assert line(ours, "overall, macro").note == "over 2 of the benchmark's 8 levels"


def test_as_published_what_is_not_applicable_or_no_sample_is_neither_right_nor_wrong() -> None:
    """Of one right, one wrong, one failure, and eight that nobody has judged, a third is right."""
    rows = [rise_row("causal_reasoning", 5), rise_row("causal_reasoning", 4), rise_row("causal_reasoning", None)]
    rows += [ProtocolRow("causal_reasoning", status, {}) for status in (INAPPLICABLE, BAD, None) for _ in range(2)]
    rows += [ProtocolRow("", BAD, {})] * 2
    table = rise_tables(rows, as_published=True)[0]
    for name in ("causal_reasoning", "overall, micro"):
        assert line(table, name).values["accuracy %"] == pytest.approx(100 / 3)
    row = line(table, "causal_reasoning")
    assert (row.scored, row.total, row.note) == (2, 7, "2 not applicable")


@pytest.mark.parametrize(
    ("tables", "of"),
    [
        (rise_tables, rise_row("causal_reasoning", 5)),
        (imgedit_tables, ProtocolRow("add", SCORED, {"protocol_score": 4.0})),
        (gedit_tables, ProtocolRow("subject-add", SCORED, {"protocol_score": 4.0}, {"instruction_language": "en"})),
        (uniredit_tables, ProtocolRow("Maze", SCORED, {"protocol_score": 4.0, "reasoning": 5.0})),
        (complex_edit_tables, ProtocolRow("complex-edit", SCORED, {"protocol_score": 4.0}, {"level": "1"})),
        (vie_tables, ProtocolRow("style", SCORED, {"protocol_score": 4.0})),
    ],
)
def test_an_item_whose_category_cannot_be_read_is_no_group_and_leaves_the_mean_over_groups(
    tables: Callable[..., list[ProtocolTable]], of: ProtocolRow
) -> None:
    table = tables([of, ProtocolRow("", BAD, {})], False)[0]
    main = table.main or table.metrics[-1].name
    assert [row.name for row in table.rows if not row.name.startswith("overall")] == [
        f"level {of.attributes['level']}" if "level" in of.attributes else of.group
    ]
    assert line(table, "overall, macro").values[main] == line(table, "overall, micro").values[main] is not None
    micro = line(table, "overall, micro")
    assert (micro.scored, micro.total, micro.note) == (1, 2, "1 of no readable category")


def test_unreadable_items_make_no_table_of_a_language_of_their_own() -> None:
    rows = [gedit_row("subject-add", (2, 8)), ProtocolRow("", BAD, {})]
    assert [table.title for table in gedit_tables(rows, False)] == ["full set, en"]
    rows.append(gedit_row("subject-add", (2, 8), "cn"))
    english, chinese = gedit_tables(rows, False)
    assert line(english, "overall, micro").total == line(chinese, "overall, micro").total == 1
    assert [table.title for table in gedit_tables([ProtocolRow("", BAD, {})], False)] == ["full set"]


def test_a_group_that_is_not_applicable_was_not_run_and_leaves_the_mean_over_the_others() -> None:
    """As KRIS-Bench by an editor that takes one picture."""
    rows = [kris_row("physics", (100, 50, 0, 50)), kris_row("color_change", (100, 100, 25))]
    rows.append(ProtocolRow("temporal_prediction", INAPPLICABLE, {}))
    table = kris_tables(rows, as_published=False)[0]
    macro, temporal = line(table, "overall, macro"), line(table, "temporal")
    assert macro.values["average"] == pytest.approx((50 + 75) / 2)
    assert macro.note == "over 2 of the benchmark's 7 groups"
    assert (macro.scored, macro.total) == (2, 2)
    assert (temporal.values["average"], temporal.total, temporal.note) == (None, 0, "1 not applicable")
    micro = line(table, "overall, micro")
    assert (micro.scored, micro.total, micro.note) == (2, 2, "1 not applicable")


def test_a_mean_over_groups_that_cannot_be_taken_says_which_group_has_no_score() -> None:
    rows = [gedit_row("subject-add", (2, 8)), ProtocolRow("text_change", FAILED, {}, {"instruction_language": "en"})]
    note = line(gedit_tables(rows, False)[0], "overall, macro").note
    assert note == "over 2 of the benchmark's 11 tasks; no mean, as there is no score of text_change"


def test_an_aspect_that_no_sample_of_a_category_has_leaves_the_mean_over_the_others() -> None:
    told = {"text_faithfulness": 3.0, "image_faithfulness": 3.0, "physical_quality": 3.0, "protocol_score": 0.5}
    rows = [ProtocolRow("style", SCORED, told), ProtocolRow("text_change", SCORED, {**told, "text_rendering": 2.0})]
    macro = line(rationalrewards_tables(rows, False)[0], "overall, macro")
    assert (macro.values["rendering"], macro.values["reward"]) == (2.0, 0.5)
    assert macro.note == "rendering over 1 of them"
