"""`KnowledgeGraphScorer`: how much of the knowledge that a picture must show a judge finds in it (MMMG)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from src.config import ModelConfig
from src.data.knowledge_graph import Dependency, KnowledgeGraph
from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE
from src.registry import resolve
from src.rewards.core.judge_prompt import JudgePrompt, judge_prompt
from src.rewards.core.judged_scorer import JudgedParams, JudgedScorer
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.readability import Readability

_MAJORITY = 0.5


class KnowledgeGraphScorer(JudgedScorer):
    """`score = 10 × knowledge fidelity × readability`, after MMMG (arXiv 2506.10963).

    The judge says yes or no to every element and every dependency of the sample's reference graph, one question each,
    about the edited picture alone. What it affirms is the graph of the picture; see `knowledge_fidelity`. Readability
    is 1 unless a measure is named.

    What differs from MMMG: endpoints are the elements themselves, never guessed from parts of names; and a reply that
    is neither yes nor no leaves the edit without a score, where it was counted as no.

    Samples without a graph are not applicable. Dimensions: `knowledge_fidelity`, `readability`, and the shares
    `elements` and `dependencies` of those affirmed, None where there are none; 0–10 each.
    """

    VERSION = "2"
    FOLDER = "knowledge_graph"
    PROMPTS = ("element", "dependency")

    class Params(JudgedParams):
        """Settings of the scorer. With several `repeats` the majority of the replies decides; a tie is a no."""

        readability: ModelConfig | None = None
        """A `Readability` by class path and params, such as `src.rewards.scorers.region_count.RegionCount`."""

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        self._readability = _build_readability(self.params.readability) if self.params.readability else None

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts, the judge and the measure of readability included."""
        return super().identity() | {"readability": self._readability.identity() if self._readability else None}

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """One prompt for each element, then one for each dependency."""
        if sample.graph is None:
            return []
        element, dependency = map(self.prompt, self.PROMPTS)
        shown: dict[str, Any] = {"shows": ("edited",), "form": "yes_no"}
        asked = [judge_prompt(element, (_key(name),), {"element": name}, **shown) for name in sample.graph.elements]
        for one in sample.graph.dependencies:
            asked.append(judge_prompt(dependency, (_key(one),), {"dependency": one}, **shown))
        return asked

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """Ten times fidelity times readability, with the parts that they come from."""
        graph = edit.sample.graph
        assert graph is not None, "asked only about samples with a graph"
        shown: set[str | Dependency] = {
            entry for entry in graph.elements + graph.dependencies if values[_key(entry)] > _MAJORITY
        }
        readability = self._readability.measure(edit.edited) if self._readability else 1.0
        full = SCORE_RANGE[1]
        fidelity = full * knowledge_fidelity(graph, shown)
        told: dict[str, float | None] = {"knowledge_fidelity": fidelity, "readability": full * readability}
        return fidelity * readability, told | graph_dimensions(graph, shown)


def graph_dimensions(graph: KnowledgeGraph, shown: set[str | Dependency]) -> dict[str, float | None]:
    """The shares of the elements and of the dependencies that are shown, 0–10 each; None where there are none."""
    full = SCORE_RANGE[1]
    return {
        "elements": full * len(shown.intersection(graph.elements)) / len(graph.elements),
        "dependencies": full * len(shown.intersection(graph.dependencies)) / len(graph.dependencies)
        if graph.dependencies
        else None,
    }


def knowledge_fidelity(graph: KnowledgeGraph, shown: set[str | Dependency]) -> float:
    """`1 − GED(G, S) / (|G| + |S|)`, 0–1, with |·| the number of nodes and edges.

    Edges are those of MMMG (`edges_of`): `Defines` has two, and two relations may share one. S has the elements that
    are shown, and the edges of the dependencies that are shown whose two ends are as well: an edge cannot be without
    its nodes. S is thus a subgraph of G, and the graph edit distance with unit costs is exactly |G| − |S|: deleting the
    rest takes as many steps, and no step changes the number of nodes or edges by more than one. Hence the fidelity is
    `2·|S| / (|G| + |S|)`, without the search, exponential in the size of the graph, of which MMMG takes the first,
    approximate result.

    Args:
        graph: The reference G.
        shown: Elements and dependencies of G that the picture shows.
    """
    nodes = shown.intersection(graph.elements)
    affirmed = [one for one in graph.dependencies if one in shown]
    whole = len(graph.elements) + len(edges_of(graph.dependencies))
    part = len(nodes) + sum(source in nodes and target in nodes for source, target in edges_of(affirmed))
    return 2 * part / (whole + part)


def edges_of(dependencies: Iterable[Dependency]) -> set[tuple[str, str]]:
    """The directed edges of MMMG's graph, at most one for each ordered pair of elements.

    `Defines` goes both ways, `Requires` from what is required to what requires it, every other relation as written.
    """
    edges = set()
    for one in dependencies:
        if one.relation != "Requires":
            edges.add((one.source, one.target))
        if one.relation in ("Requires", "Defines"):
            edges.add((one.target, one.source))
    return edges


def _key(entry: str | Dependency) -> str:
    if isinstance(entry, str):
        return f"element {entry}"
    return f"dependency {entry.source} | {entry.relation} | {entry.target}"


def _build_readability(config: ModelConfig) -> Readability:
    return resolve(config, Readability, "scorer.params.readability")(config.params)  # type: ignore[type-abstract]
