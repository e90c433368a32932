"""`KnowledgeOracleScorer`: what of a knowledge graph a picture of the miniature world shows, read and not judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from src.data.knowledge_graph import Dependency, KnowledgeGraph
from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE, Status, Verdict
from src.miniature.prompts.pictures import nameable, relations, shown
from src.miniature.prompts.reading import read_picture
from src.miniature.world.scene import SIZE
from src.rewards.core.scorer import EditedSample, Scorer
from src.rewards.scorers.knowledge_graph import graph_dimensions, knowledge_fidelity


class KnowledgeOracleScorer(Scorer):
    """`score = 10 × knowledge fidelity`, as `KnowledgeGraphScorer` without readability and without a judge.

    The scene of the world whose drawing is nearest to the picture says which elements and dependencies are there. A
    picture that is far from every drawing shows nothing. Pictures of another size are read at 64×64. Samples without a
    graph, or with elements that this world does not know, are not applicable.

    Dimensions: `knowledge_fidelity`, `elements` and `dependencies`, 0–10.
    """

    def needs_source(self, sample: EditSample) -> bool:
        """It looks at the made picture alone."""
        return False

    def inapplicable(self, sample: EditSample) -> str | None:
        """Why the graph cannot be read from a picture, or None."""
        if sample.graph is None:
            return "the sample has no knowledge graph"
        unknown = sorted(set(sample.graph.elements) - nameable())
        return f"the miniature world has no {', '.join(map(repr, unknown))}" if unknown else None

    def question(self, sample: EditSample) -> Any:
        """The graph, which decides the score."""
        if sample.graph is None:
            return None
        ends = [[one.source, one.relation, one.target] for one in sample.graph.dependencies]
        return {"elements": list(sample.graph.elements), "dependencies": ends}

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict for each picture, in order."""
        return [self._verdict(edit) for edit in batch]

    def _verdict(self, edit: EditedSample) -> Verdict:
        graph = edit.sample.graph
        assert graph is not None, "asked only about samples with a graph"
        found = shown_of(graph, edit.edited)
        score = SCORE_RANGE[1] * knowledge_fidelity(graph, found)
        told: dict[str, float | None] = {"knowledge_fidelity": score}
        return Verdict(Status.SCORED, score, told | graph_dimensions(graph, found))


def shown_of(graph: KnowledgeGraph, picture: Image.Image) -> set[str | Dependency]:
    """The elements and dependencies of a graph that a picture shows."""
    pixels = picture.convert("RGB")
    if pixels.size != (SIZE, SIZE):
        pixels = pixels.resize((SIZE, SIZE), Image.Resampling.BOX)
    reading = read_picture(np.asarray(pixels))
    if not reading.legible:
        return set()
    found: set[str | Dependency] = {*shown(reading.scene), *relations(reading.scene)}
    return found.intersection(graph.elements + graph.dependencies)
