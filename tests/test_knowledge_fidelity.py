"""Knowledge fidelity against the paper's definition, computed by trying every way of turning one graph into another."""

from __future__ import annotations

import itertools
import random

import pytest

from src.data.knowledge_graph import Dependency, KnowledgeGraph, read_knowledge_graph
from src.rewards.scorers.knowledge_graph import knowledge_fidelity

RELATIONS = ("Defines", "Contains", "Requires", "Entails", "Causes", "TemporalOrder")
GRAPHS = 200

Graph = tuple[set[str], set[tuple[str, str]]]


def random_graph(rng: random.Random) -> tuple[KnowledgeGraph, set[str | Dependency]]:
    """A graph as MMMG's data write it, and what a judge has affirmed of it, whether it fits together or not."""
    elements = rng.sample(("sun", "leaf", "water", "root", "sugar"), rng.randint(1, 5))
    pairs = list(itertools.permutations(elements, 2))
    ends = rng.sample(pairs, rng.randint(0, min(6, len(pairs))))
    relations = {(relation, *pair) for pair in ends for relation in rng.sample(RELATIONS, rng.randint(1, 2))}
    written: dict[str, list[object]] = {
        "elements": list(elements),
        "dependencies": [f"{relation}({source}, {target})" for relation, source, target in sorted(relations)],
    }
    graph = read_knowledge_graph(written)
    return graph, {one for one in (*graph.elements, *graph.dependencies) if rng.random() < 0.6}


def as_published(graph: KnowledgeGraph, affirmed: set[str | Dependency]) -> Graph:
    """The graph that the paper compares: what is affirmed, `Requires` turned round, `Defines` both ways."""
    nodes = {element for element in graph.elements if element in affirmed}
    edges: set[tuple[str, str]] = set()
    for one in graph.dependencies:
        if one not in affirmed or one.source not in nodes or one.target not in nodes:
            continue
        if one.relation == "Requires":
            edges.add((one.target, one.source))
        elif one.relation == "Defines":
            edges |= {(one.source, one.target), (one.target, one.source)}
        else:
            edges.add((one.source, one.target))
    return nodes, edges


def cheapest_edits(one: Graph, other: Graph) -> int:
    """The least number of insertions, deletions and relabellings, over every partial one-to-one map of the nodes."""
    nodes, targets = sorted(one[0]), sorted(other[0])
    best = sum(map(len, (*one, *other)))
    for images in itertools.product([None, *targets], repeat=len(nodes)):
        used = [image for image in images if image is not None]
        if len(set(used)) < len(used):
            continue
        to = dict(zip(nodes, images, strict=True))
        relabelled = sum(name != image for name, image in to.items() if image is not None)
        moved = {(to[source], to[target]) for source, target in one[1]}
        kept = len(moved & other[1])
        cost = relabelled + (len(nodes) + len(targets) - 2 * len(used)) + (len(one[1]) + len(other[1]) - 2 * kept)
        best = min(best, cost)
    return best


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_fidelity_of_a_random_graph_is_the_papers_by_exhaustive_search(seed: int) -> None:
    graph, affirmed = random_graph(random.Random(seed))
    whole = as_published(graph, {*graph.elements, *graph.dependencies})
    seen = as_published(graph, affirmed)
    size = sum(map(len, (*whole, *seen)))
    assert knowledge_fidelity(graph, affirmed) == pytest.approx(1 - cheapest_edits(whole, seen) / size)


def test_the_random_graphs_hold_every_relation_and_every_degree_of_fidelity() -> None:
    drawn = [random_graph(random.Random(seed)) for seed in range(GRAPHS)]
    assert {one.relation for graph, _ in drawn for one in graph.dependencies} == set(RELATIONS)
    values = [knowledge_fidelity(graph, affirmed) for graph, affirmed in drawn]
    assert min(values) == 0.0
    assert max(values) == 1.0
    assert len(set(values)) > GRAPHS // 10
