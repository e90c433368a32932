"""RISEBench's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from src.data.protocols import RISE
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.pictures import within
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import final_score, scaled

CATEGORIES = ("temporal_reasoning", "causal_reasoning", "spatial_reasoning", "logical_reasoning")
LOGICAL = "logical_reasoning"
SPATIAL = "spatial_reasoning"
EDITED = Shown("edited")
DELIVERY = Delivery(True, "jpeg", 75, "high", Sampling(temperature=0.0, max_tokens=4096))
"""How RISEBench's script sends its questions; UniREditBench's has taken it over."""


def rise_score(
    reasoning: float, consistency: float | None, plausibility: float | None, *, consistency_counts: bool = True
) -> float:
    """The score of one sample from its dimensions, all on 1–5.

    Args:
        reasoning: Every sample has it.
        consistency: None where the sample is free of it.
        plausibility: None for logical reasoning.
        consistency_counts: Whether a consistency that is there has a weight.
    """
    if plausibility is None:
        assert consistency is not None, "logical samples have a consistency"
        score = 0.3 * consistency + 0.7 * reasoning
    elif consistency is None or not consistency_counts:
        score = 0.8 * reasoning + 0.2 * plausibility
    else:
        score = 0.3 * consistency + 0.5 * reasoning + 0.2 * plausibility
    return max(1.0, score / 2) if reasoning == 1 else score


class Rise(Protocol):
    """`rise@2026-05`, of PhoenixZ810/RISEBench, gpt_eval.py and utils.py, 2026-05-18: a weighted sum on 1–5.

    Consistency, reasoning and plausibility in calls of their own, text first, no system role, temperature 0, 4096
    tokens, pictures within 768 × 768 as JPEG of quality 75 with detail high. A reference picture takes the source's
    place. Logical samples are judged right or wrong, which counts as 5 or 1. What is not as published: see `RISE`.

    Attributes of a sample: `reference`, `reference_txt` (what a right result shows), and, as switches by their
    presence, `consistency_free`, `reasoning_img` and `reasoning_wo_ins`; `columns`, which of the switches
    `consistency_free` and `reasoning_wo_ins` any sample of the data has (`as_published`).
    """

    facts = RISE
    delivery = DELIVERY
    official = OfficialFiles(
        paths=("utils.py",),
        placeholders={"instruction": "instruct", "reference": "reference"},
        verbatim=frozenset({"prompt_generation", "prompt_spatial_qual", "prompt_logical_img_wo_q"}),
        known={"c8a693294768b7ceb355d98d3bc71f40c4fe51979a2e84ffc07f829764b676a3": "PhoenixZ810/RISEBench 2026-05-18"},
    )

    def prepare(self, image: Image.Image, source: Image.Image) -> Image.Image:
        """The picture within 768 × 768 pixels."""
        return within(768, image)

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where the category is none of the benchmark's, or there is nothing to reason by."""
        if sample.category not in CATEGORIES:
            return f"{self.facts.name} asks by category ({', '.join(CATEGORIES)}), and {sample.category!r} is none"
        by_picture = sample.category in (SPATIAL, LOGICAL)
        if _text(sample) or (by_picture and sample.reference is not None):
            return None
        also = " or as a picture" if by_picture else ""
        return f"{self.facts.name} judges reasoning by a reference as text{also}, and the sample has none"

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Consistency unless the sample is free of it, reasoning, and plausibility unless it is logical."""
        if sample.category == LOGICAL:
            return self._logical(sample, as_published)
        spatial = sample.category == SPATIAL
        calls = [self._reasoning(sample), self._plausibility(spatial)]
        if sample.attributes.get("consistency_free"):
            return calls
        consistency = self._consistency(sample, spatial)
        if as_published and not _has_column(sample, "consistency_free"):
            # The reply's form is in the verdict's key: the same question elsewhere has no weight.
            consistency = replace(consistency, reply=scaled(consistency.reply, "with its weight", lambda value: value))
        return [consistency, *calls]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """See `rise_score`; as published, where the data have the column `consistency_free`, a consistency that was
        judged has no weight in any but logical samples.
        """
        logical = sample.category == LOGICAL
        consistency, plausibility = values.get("consistency"), values.get("plausibility")
        counts = logical or not (as_published and _has_column(sample, "consistency_free"))
        return rise_score(values["reasoning"], consistency, plausibility, consistency_counts=counts)

    def _consistency(self, sample: EditSample, spatial: bool) -> Call:
        official = "prompt_spatial_cons" if spatial else "prompt_consist"
        first = Shown("reference") if spatial and sample.reference is not None else Shown("source")
        return five_point_call(
            "consistency", official, (first, EDITED), "consistency", {"instruction": sample.instruction}
        )

    def _reasoning(self, sample: EditSample) -> Call:
        spatial = sample.category == SPATIAL
        told: dict[str, Any] = {"instruction": sample.instruction}
        if spatial and sample.reference is not None:
            return five_point_call(
                "reasoning_image", "prompt_spatial_ref_img", (Shown("reference"), EDITED), "reasoning", told
            )
        with_source = bool(sample.attributes.get("reasoning_img"))
        base = "prompt_spatial_ref" if spatial else "prompt_reasoning"
        told |= {"reference": _text(sample), "with_source": with_source}
        shown = (Shown("source"), EDITED) if with_source else (EDITED,)
        return five_point_call("reasoning", f"{base}_w_input" if with_source else base, shown, "reasoning", told)

    def _plausibility(self, spatial: bool) -> Call:
        official = "prompt_spatial_qual" if spatial else "prompt_generation"
        return five_point_call("plausibility", official, (EDITED,), "plausibility", {})

    def _logical(self, sample: EditSample, as_published: bool) -> list[Call]:
        told: dict[str, Any] = {"instruction": sample.instruction}
        if answer := _text(sample):
            told |= {"reference": answer, "against_answer": False}
            both = (Shown("source"), EDITED)
            return [
                _right_or_wrong("logical_consistency", "prompt_logical_cons_ans", both, "consistency", told),
                _right_or_wrong("logical_answer", "prompt_logical_txt", (EDITED,), "reasoning", told),
            ]
        both = (Shown("reference"), EDITED)
        blind = bool(sample.attributes.get("reasoning_wo_ins"))
        blind = blind or (as_published and _has_column(sample, "reasoning_wo_ins"))
        by_picture = "prompt_logical_img_wo_q" if blind else "prompt_logical_img"
        asked = {"instruction": ""} if blind else told
        untold = told | {"reference": "", "against_answer": True}
        return [
            _right_or_wrong("logical_consistency", "prompt_logical_cons", both, "consistency", untold),
            _right_or_wrong("logical_image", by_picture, both, "reasoning", asked),
        ]


def _has_column(sample: EditSample, name: str) -> bool:
    """Whether the data have a column: to the official script then every sample has it, whatever it is set to."""
    return name in sample.attributes.get("columns", ())


def _text(sample: EditSample) -> str:
    """What a right result shows, in words. A logical sample that has a picture of it takes only its `reference_txt`."""
    if sample.category == LOGICAL:
        return str(sample.attributes.get("reference_txt") or (sample.reference is None and sample.rationale) or "")
    return str(sample.attributes.get("reference") or sample.rationale or "")


def five_point_call(
    name: str, official: str, shown: tuple[Shown, ...], dimension: str, values: Mapping[str, Any]
) -> Call:
    """A question about one dimension, answered by a final score of 1–5."""
    return Call(name, (official,), shown, (dimension,), final_score(dimension, 1, 5), values)


def _right_or_wrong(
    name: str, official: str, shown: tuple[Shown, ...], dimension: str, values: Mapping[str, Any]
) -> Call:
    reply = scaled(final_score(dimension, 0, 1), "0 and 1 as 1 and 5", lambda value: 4 * value + 1)
    return Call(name, (official,), shown, (dimension,), reply, values)
