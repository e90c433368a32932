"""A sample's knowledge graph is checked when it is read, and the judge's answers give the exact graph edit distance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from src.config import Config, ModelConfig
from src.data.image import LazyImage
from src.data.knowledge_graph import Dependency, KnowledgeGraph, read_knowledge_graph
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.data.verdict import Status
from src.errors import ConfigError
from src.pipeline.evaluation import evaluate
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting, question_key
from src.rewards.scorers.knowledge_graph import KnowledgeGraphScorer, knowledge_fidelity
from src.rewards.scorers.readability import Readability
from src.rewards.scorers.region_count import RegionCount
from tests.conftest import item

FIELD = {
    "elements": ["sun", "tree", "shadow"],
    "dependencies": [["sun", "Causes", "shadow"], ["tree", "Has", "shadow"]],
}
GRAPH = read_knowledge_graph(FIELD)
CAUSES, HAS = GRAPH.dependencies
IMAGE = Image.new("RGB", (16, 16), "red")
COUNT = "src.rewards.scorers.region_count.RegionCount"


class Murky(Readability):
    """Half readable, always."""

    def measure(self, image: Image.Image) -> float:
        return 0.5


def sample(graph: KnowledgeGraph | None = GRAPH) -> EditSample:
    return EditSample("a", 0, "物理", "add the sun", "a tree", LazyImage(base64_text=""), graph=graph)


def scorer(
    script: dict[str, list[str]], params: dict[str, Any] | None = None, language: Any = "en"
) -> KnowledgeGraphScorer:
    judge = ModelConfig(class_path="tests.scripted_judge.ScriptedJudge", params={"script": script})
    made = KnowledgeGraphScorer(params or {}, ScorerSetting(JudgeHandle(judge), language=language))
    made.load()
    return made


def test_a_graph_is_read_from_the_benchmark(write_benchmark: Callable[..., Path]) -> None:
    path = write_benchmark([item(0, knowledge_graph=FIELD, family="move_light", seed=7), item(1, seed="x", family=3)])
    with_graph, without = load_samples(str(path), Selection())
    assert isinstance(with_graph, EditSample)
    assert isinstance(without, EditSample)
    assert with_graph.graph == GRAPH
    assert (with_graph.family, with_graph.seed) == ("move_light", 7)
    assert (without.graph, without.family, without.seed) == (None, None, None)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ([], "is list, not an object"),
        ({}, "has NoneType for `elements`"),
        ({"elements": []}, "has no elements"),
        ({"elements": ["sun", 3]}, "has the name 3"),
        ({"elements": ["sun", " "]}, "has the name ' '"),
        ({"elements": ["sun", "sun "]}, "lists one of its elements twice"),
        ({"elements": ["sun"], "dependencies": "Causes(sun, sun)"}, "has str for `dependencies`"),
        ({"elements": ["sun"], "dependencies": [["sun", "sun"]]}, "which is not [source, relation, target]"),
        ({"elements": ["sun"], "dependencies": [["sun", "Is", "sun"]] * 2}, "lists one of its dependencies twice"),
        ({"elements": ["sun"], "dependencies": [["sun", "Is", "star"]]}, "not among its elements: star"),
    ],
)
def test_a_bad_graph_makes_a_bad_sample_that_says_why(
    write_benchmark: Callable[..., Path], field: Any, reason: str
) -> None:
    (bad,) = load_samples(str(write_benchmark([item(0, knowledge_graph=field)])), Selection())
    assert isinstance(bad, BadSample)
    assert bad.reason.startswith("field `knowledge_graph` ")
    assert reason in bad.reason


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"sun", "tree", "shadow", CAUSES, HAS}, 1.0),
        (set(), 0.0),
        ({"sun", "tree", "shadow"}, 2 * 3 / (5 + 3)),
        ({"sun", "shadow", CAUSES}, 2 * 3 / (5 + 3)),
        ({"sun", CAUSES, HAS}, 2 * 1 / (5 + 1)),
    ],
)
def test_fidelity_by_hand(shown: set[str | Dependency], expected: float) -> None:
    assert knowledge_fidelity(GRAPH, shown) == pytest.approx(expected)


@st.composite
def graphs_and_answers(draw: st.DrawFn) -> tuple[KnowledgeGraph, set[str | Dependency]]:
    elements = draw(st.lists(st.sampled_from("abcd"), min_size=1, unique=True))
    ends = st.tuples(st.sampled_from(elements), st.sampled_from(elements))
    relations = st.sampled_from(["Causes", "Contains", "Defines", "Requires"])
    pairs = draw(st.lists(st.tuples(ends.filter(lambda pair: pair[0] != pair[1]), relations), max_size=4, unique=True))
    edges = tuple(Dependency(source, relation, target) for (source, target), relation in pairs)
    graph = KnowledgeGraph(tuple(elements), edges)
    return graph, draw(st.sets(st.sampled_from(graph.elements + edges)))


@settings(max_examples=100)
@given(graphs_and_answers())
def test_fidelity_is_that_of_the_exhaustive_graph_edit_distance(
    drawn: tuple[KnowledgeGraph, set[str | Dependency]],
) -> None:
    graph, shown = drawn
    whole = _as_networkx(graph, {*graph.elements, *graph.dependencies})
    seen = _as_networkx(graph, shown)
    distance = networkx.graph_edit_distance(whole, seen, node_match=lambda one, other: one == other)
    size = sum(len(part.nodes) + len(part.edges) for part in (whole, seen))
    assert knowledge_fidelity(graph, shown) == pytest.approx(1 - distance / size)


def _as_networkx(graph: KnowledgeGraph, shown: set[str | Dependency]) -> networkx.DiGraph:
    made = networkx.DiGraph()
    for element in shown.intersection(graph.elements):
        made.add_node(element, label=element)
    for one in shown.intersection(graph.dependencies):
        if one.source in made and one.target in made:
            first, second = (one.target, one.source) if one.relation == "Requires" else (one.source, one.target)
            made.add_edge(first, second)
            if one.relation == "Defines":
                made.add_edge(second, first)
    return made


def test_a_definition_counts_in_both_directions_as_published() -> None:
    graph = read_knowledge_graph(
        {"elements": ["a", "b", "c"], "dependencies": ["Defines(a, b)", "Causes(b, c)", "Requires(c, b)"]}
    )
    defines, causes, requires = graph.dependencies
    assert knowledge_fidelity(graph, {"a", "b", "c", causes}) == pytest.approx(2 * 4 / (6 + 4))
    assert knowledge_fidelity(graph, {"a", "b", "c", requires}) == pytest.approx(2 * 4 / (6 + 4))
    assert knowledge_fidelity(graph, {"a", "b", defines}) == pytest.approx(2 * 4 / (6 + 4))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Defines(sun, tree)", ("sun", "Defines", "tree")),
        (" Causes ( sun ,a wide, flat shadow )", ("sun", "Causes", "a wide, flat shadow")),
        ("Causes(sun, change(tree))", ("sun", "Causes", "tree")),
        ("Causes(sun, change(light))", ("sun", "Causes", "change(light)")),
        ("Contains(water (cold), sun)", ("water (cold)", "Contains", "sun")),
    ],
)
def test_a_dependency_may_be_written_as_in_the_published_data(written: str, expected: tuple[str, str, str]) -> None:
    elements = ["sun", "tree", "a wide, flat shadow", "change(light)", "water (cold)"]
    (one,) = read_knowledge_graph({"elements": elements, "dependencies": [written]}).dependencies
    assert (one.source, one.relation, one.target) == expected


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("sun causes shadow", "is not `Relation"),
        ("Causes(sun)", "not two of its elements"),
        ("Causes(sun, star)", "not two of its elements"),
        ("Causes(sun, )", "not two of its elements"),
        ("Causes(a, b, c)", "not two of its elements"),
    ],
)
def test_a_written_dependency_of_anything_else_is_refused(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_knowledge_graph({"elements": ["sun", "a", "a, b", "c", "b, c"], "dependencies": [written]})


@given(
    st.lists(st.text(min_size=1, max_size=6).map(str.strip).filter(bool), min_size=2, max_size=4, unique=True),
    st.sampled_from(["Defines", "Causes"]),
)
def test_a_written_dependency_is_the_listed_one_or_refused(names: list[str], relation: str) -> None:
    listed = {"elements": names, "dependencies": [[names[0], relation, names[1]]]}
    written = {"elements": names, "dependencies": [f"{relation}({names[0]}, {names[1]})"]}
    try:
        found = read_knowledge_graph(written)
    except ValueError:
        assert "," in "".join(names)
    else:
        assert found == read_knowledge_graph(listed)


def test_the_judge_is_asked_about_each_element_and_each_dependency_and_sees_the_edit_alone() -> None:
    made = scorer({"Causes": ["no"], "": ["yes"]})
    edited = Image.new("RGB", (16, 16), "blue")
    (verdict,) = made.score([EditedSample(sample(), IMAGE, edited)])
    assert verdict.score == pytest.approx(10 * 2 * 4 / (5 + 4))
    assert verdict.dimensions == {
        "knowledge_fidelity": verdict.score,
        "readability": 10.0,
        "elements": 10.0,
        "dependencies": 5.0,
    }
    (questions,) = made.setting.judge.model.asked  # type: ignore[union-attr]
    assert len(questions) == len(verdict.replies) == 5
    assert "from A = sun to B = shadow" in questions[3].text
    assert all([shown.image for shown in question.images] == [edited] for question in questions)


def test_readability_is_a_factor_and_changes_the_identity() -> None:
    made = scorer({"": ["yes"]}, {"readability": {"class_path": "tests.test_knowledge_graph.Murky"}})
    (verdict,) = made.score([EditedSample(sample(), IMAGE, IMAGE)])
    assert (verdict.score, verdict.dimensions["readability"]) == (5.0, 5.0)
    assert made.identity() != scorer({"": ["yes"]}).identity()


def test_an_answer_that_is_neither_yes_nor_no_leaves_the_edit_without_a_score() -> None:
    (verdict,) = scorer({"sun?": ["perhaps"], "": ["yes"]}).score([EditedSample(sample(), IMAGE, IMAGE)])
    assert (verdict.status, verdict.score) == (Status.UNPARSABLE, None)


def test_the_majority_of_repeats_decides_and_a_tie_is_a_no() -> None:
    judge = ModelConfig(
        class_path="tests.scripted_judge.TiringJudge", params={"scores": ["yes", "no", "yes", "no", "no", "yes"]}
    )
    only = KnowledgeGraph(("sun", "tree"), ())
    made = KnowledgeGraphScorer({"repeats": 3}, ScorerSetting(JudgeHandle(judge)))
    made.load()
    (verdict,) = made.score([EditedSample(sample(only), IMAGE, IMAGE)])
    assert verdict.score == pytest.approx(10 * 2 * 1 / (2 + 1))
    assert verdict.dimensions["dependencies"] is None
    tied = ModelConfig(class_path="tests.scripted_judge.TiringJudge", params={"scores": ["yes", "no", "yes", "yes"]})
    again = KnowledgeGraphScorer({"repeats": 2}, ScorerSetting(JudgeHandle(tied)))
    again.load()
    assert again.score([EditedSample(sample(only), IMAGE, IMAGE)])[0].dimensions["elements"] == 5.0


def test_a_sample_without_a_graph_is_not_applicable_and_asks_nothing() -> None:
    made = scorer({"": ["yes"]})
    (verdict,) = made.score([EditedSample(sample(None), IMAGE, IMAGE)])
    assert (verdict.status, verdict.score) == (Status.NOT_APPLICABLE, None)
    assert made.setting.judge.model.asked in ([], [[]])  # type: ignore[union-attr]
    assert made.inapplicable(sample(None)) == verdict.reason
    assert made.inapplicable(sample()) is None


def test_the_question_changes_with_the_graph_and_the_language() -> None:
    made = scorer({"": ["yes"]})
    fewer = read_knowledge_graph({"elements": ["sun", "tree", "shadow"]})
    assert question_key(made.question(sample())) != question_key(made.question(sample(fewer)))
    assert question_key(made.question(sample())) != question_key(scorer({"": ["是"]}, language="zh").question(sample()))
    assert set(made.prompt_versions()) == {"knowledge_graph/element v1", "knowledge_graph/dependency v1"}


def test_a_wrong_readability_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"scorer\.params\.readability\.params of RegionCount(.|\n)*jumbled"):
        scorer({}, {"readability": {"class_path": COUNT, "params": {"jumbeld": 3}}})
    with pytest.raises(ConfigError, match="must name a subclass"):
        scorer({}, {"readability": {"class_path": "src.rewards.core.scorer.Scorer"}})


def test_a_run_judges_by_the_graph_of_each_sample(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    data = write_benchmark([item(0, knowledge_graph=FIELD), item(1)])
    config = make_config(
        data,
        reward_model={"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": ["yes"]}}},
        scorer={"class_path": "src.rewards.scorers.knowledge_graph.KnowledgeGraphScorer"},
    )
    overall = evaluate(config).report["overall_statistics"]
    assert (overall["mean"], overall["num_samples"]) == (10.0, 1)


def _patches(across: int) -> Image.Image:
    board = np.indices((across, across)).sum(axis=0) % 2 * 255
    tiles = np.kron(board, np.ones((128 // across, 128 // across))).astype(np.uint8)
    return Image.fromarray(tiles).convert("RGB")


def test_regions_are_counted_and_their_number_falls_on_the_line_of_mmmg() -> None:
    measure = RegionCount()
    counts = {across: measure.count(_patches(across)) for across in (1, 8, 16)}
    assert counts == {1: 1, 8: 64, 16: 256}
    assert [measure.measure(_patches(across)) for across in (1, 8, 16)] == [1.0, 1.0, 0.0]
    halfway = RegionCount({"clear": 60, "jumbled": 68})
    assert halfway.measure(_patches(8)) == pytest.approx(0.5)


def test_specks_and_soft_shades_are_no_regions() -> None:
    pixels = np.full((128, 128, 3), 200, np.uint8)
    pixels += np.arange(128, dtype=np.uint8)[:, None, None] // 4
    pixels[::16, ::16] = 0
    assert RegionCount().count(Image.fromarray(pixels)) == 1


def test_bounds_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="clear must be below jumbled"):
        RegionCount({"clear": 10, "jumbled": 10})
