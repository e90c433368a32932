"""KRIS-Bench's protocol."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from typing import Any

from src.data.protocols import KRIS
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.core.judge_prompt import ReplyFormat
from src.rewards.core.scorer import NO_REFERENCE
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import json_or_first_digit, json_scores

KNOWLEDGE = frozenset(
    {
        *("abstract_reasoning", "biology", "chemistry", "geography", "humanities"),
        *("mathematics", "medicine", "physics", "practical_knowledge", "rule-based_reasoning"),
    }
)
"""The categories in which knowledge is judged as well."""
ANOMALY, VIEWPOINT = "anomaly_correction", "viewpoint_change"
MULTI, TEMPORAL = "multi-element_composition", "temporal_prediction"
CONSISTENCY, INSTRUCTION = ("consistency_score",), ("instruction_score",)
QUALITY, DUAL = ("quality_score",), ("instruction_score", "knowledge_score")

_SOURCE = Shown("source", "This is the original image:")
_EDITED = Shown("edited", "This is the edited image:")
_TRUTH = Shown("reference", "This is the ground truth image:")
_ALONE = Shown("edited", "This is the image to evaluate:")
_FRAME = re.compile(r"[0-9]+-([0-9]+)")
_FRAMES = frozenset({1, 2, 3, 4})


class Kris(Protocol):
    """`kris@2025-05`, of mercurystraw/Kris_Bench, its four metrics scripts: up to four metrics on 1–5.

    Text first, then each picture after its label, no system role, no temperature, 1000 tokens, pictures with all their
    pixels. Consistency, instruction (with knowledge in the same call for ten categories; beside the ground truth for
    viewpoint_change) and quality are calls of their own. Several sources are shown before the edit; the frames of
    temporal_prediction are shown in the order of time, as JPEG of quality 85. What is not as published: see `KRIS`.

    Attributes of a sample: `explain_en`, what would really happen, and `ori_img`, the names of its source pictures, of
    which those of frames end in `-` and the number of the frame.
    """

    facts = KRIS
    delivery = Delivery(True, "png", sampling=Sampling(temperature=None, max_tokens=1000))
    official = OfficialFiles(
        paths=("ReasonEdit/prompts.py", "utils/prompts.py", "prompts.py", "eval/gen/kris/prompts.py"),
        placeholders={"instruction": "instruct", "explanation": "explanation", "frame": "N"},
        verbatim=frozenset({"prompt_quality"}),
        known={
            "5c4efd450ffcc85c4088d5d6966df24e1d9f56ac8c17a10d04f65893cc915a45": "ByteDance-Seed/Bagel 2025-10-27",
        },
    )

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where the judge would miss a picture: the ground truth, or the frames and their numbers."""
        if sample.category == VIEWPOINT and sample.reference is None:
            return NO_REFERENCE
        if sample.category == TEMPORAL and _missing_frame(sample) is None:
            return (
                f"{self.facts.name} shows frames by their numbers, and of this sample's source pictures "
                f"({1 + len(sample.further_sources)}) `ori_img` does not name three of the four"
            )
        return None

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Consistency, instruction and, with it or not, knowledge, and quality."""
        told: dict[str, Any] = {"instruction": sample.instruction, "explanation": _explanation(sample)}
        if sample.category == TEMPORAL:
            return self._temporal(sample, told, as_published)
        if sample.category == MULTI:
            shown = _several(sample)
            return [
                _call("multi_consistency", "prompt_consist_multi", shown, CONSISTENCY, told, as_published),
                _call("multi_instruction", "prompt_instruction_multi", shown, INSTRUCTION, told, as_published),
                _call("quality", "prompt_quality", (_ALONE,), QUALITY, {}, as_published),
            ]
        return [
            _call("consistency", "prompt_consist", (_SOURCE, _EDITED), CONSISTENCY, told, as_published),
            self._instruction(sample, told, as_published),
            _call("quality", "prompt_quality", (_EDITED,), QUALITY, {}, as_published),
        ]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The mean of the sample's metrics: the benchmark has no score of a sample."""
        return statistics.fmean(values.values())

    def _instruction(self, sample: EditSample, told: Mapping[str, Any], as_published: bool) -> Call:
        both = (_SOURCE, _EDITED)
        if sample.category in KNOWLEDGE:
            return _call("dual", "prompt_dual_evaluation", both, DUAL, told, as_published)
        if sample.category == VIEWPOINT:
            official = "prompt_view_instruction_following"
            return _call("viewpoint", official, (*both, _TRUTH), INSTRUCTION, told, as_published)
        if sample.category == ANOMALY and not as_published:
            official = "prompt_abnormal_instruction_following"
            return _call("anomaly", official, both, INSTRUCTION, told, as_published)
        return _call("instruction", "prompt_instruction_following", both, INSTRUCTION, told, as_published)

    def _temporal(self, sample: EditSample, told: Mapping[str, Any], as_published: bool) -> list[Call]:
        missing = _missing_frame(sample)
        assert missing is not None, "checked by `inapplicable`"
        frames = [(number, Shown("source", f"Frame {number} (Reference):", place)) for place, number in _frames(sample)]
        frames.append((missing, Shown("edited", f"Frame {missing} (Generated):")))
        shown = tuple(one for _, one in sorted(frames, key=lambda frame: frame[0]))
        told = {**told, "frame": str(missing)}
        jpeg = Delivery(True, "jpeg", 85, sampling=self.delivery.sampling)
        names = [("temporal_consistency", "prompt_consist_temporal", CONSISTENCY)]
        names += [("temporal_instruction", "prompt_instruction_temporal", INSTRUCTION)]
        calls = [_call(name, official, shown, dims, told, as_published, jpeg) for name, official, dims in names]
        return [*calls, _call("quality", "prompt_quality", (_ALONE,), QUALITY, {}, as_published, jpeg)]


def _call(
    name: str,
    official: str,
    shown: tuple[Shown, ...],
    dimensions: tuple[str, ...],
    values: Mapping[str, Any],
    as_published: bool,
    delivery: Delivery | None = None,
) -> Call:
    form: ReplyFormat = json_or_first_digit(dimensions) if as_published else json_scores(dimensions, 1, 5)
    return Call(name, (official,), shown, dimensions, form, {**values, "names": dimensions}, delivery)


def _several(sample: EditSample) -> tuple[Shown, ...]:
    count = 1 + len(sample.further_sources)
    sources = (Shown("source", f"Reference Image {place + 1}:", place) for place in range(count))
    return (*sources, Shown("edited", "Predicted Image:"))


def _explanation(sample: EditSample) -> str:
    return str(sample.attributes.get("explain_en") or sample.rationale or "")


def _frames(sample: EditSample) -> list[tuple[int, int]]:
    """The place of each source picture, and its number as a frame as far as its name tells it."""
    named = sample.attributes.get("ori_img", ())
    names = (named,) if isinstance(named, str) else named
    found = [_FRAME.search(name) for name in names]
    return [(place, int(match[1])) for place, match in enumerate(found) if match]


def _missing_frame(sample: EditSample) -> int | None:
    """The number of the frame that is to be made; None where the others do not tell it."""
    frames = _frames(sample)
    missing = sorted(_FRAMES - {number for _, number in frames})
    return missing[0] if len(frames) == 1 + len(sample.further_sources) == 3 and len(missing) == 1 else None
