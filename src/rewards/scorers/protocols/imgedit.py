"""ImgEdit-Bench's protocols: of the basic suite, and of the suite for understanding, grounding and editing."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from src.data.protocols import IMGEDIT, IMGEDIT_UGE
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.models.vlm.question import Delivery, Sampling
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.replies import mean_of_any_lines, scored_lines, stated_score

CRITERIA = {
    "add": ("Compliance", "Naturalness", "Coherence"),
    "adjust": ("Compliance", "Seamlessness", "Fidelity"),
    "background": ("Compliance", "Seamlessness", "Consistency"),
    "replace": ("Compliance", "Naturalness", "Integrity"),
    "remove": ("Compliance", "Naturalness", "Integrity"),
    "style": ("Style", "Preservation", "Rendering"),
    "extract": ("Identity", "Precision", "Quality"),
    "compose": ("Compliance", "Naturalness", "Integrity"),
    "action": ("Action", "Identity", "Integrity"),
}
"""The three criteria of each edit type, as this project's own wording calls them."""
_MEAN = "mean_of_lines"


class ImgEdit(Protocol):
    """`imgedit@2025-09`, of PKU-YuanGroup/ImgEdit, Benchmark/, 2025-09-07: the mean of three criteria on 1–5.

    One call: text, source, edit, no system role, neither temperature nor tokens sent, pictures with all their pixels.
    The criteria depend on the edit type, which is the sample's category. What is not as published: see `IMGEDIT`.
    """

    facts = IMGEDIT
    delivery = Delivery(True, "png", sampling=Sampling(temperature=None, max_tokens=None))
    official = OfficialFiles(
        paths=("Benchmark/Basic/prompts.json", "Basic/prompts.json", "prompts.json"),
        placeholders={"instruction": "<edit_prompt>"},
        style="replace",
        known={"f9468dc848776ee0a6c2e2c31e678c7224e9cb61b013747c8c52d4a05627b5a0": "PKU-YuanGroup/ImgEdit 2025-09-07"},
    )

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where the category is no edit type."""
        if sample.category in CRITERIA:
            return None
        return f"{self.facts.name} asks by edit type ({', '.join(CRITERIA)}), and {sample.category!r} is none"

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """One question, with the criteria of the edit type."""
        names = CRITERIA[sample.category]
        dimensions = (_MEAN,) if as_published else tuple(name.lower() for name in names)
        reply = mean_of_any_lines(_MEAN) if as_published else scored_lines(dimensions, 1, 5)
        shown = (Shown("source"), Shown("edited"))
        values = {"instruction": sample.instruction, "names": names}
        return [Call(sample.category, (sample.category,), shown, dimensions, reply, values)]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The mean of the three, which the official script rounds to two decimals."""
        return statistics.fmean(values.values())


class ImgEditUGE(Protocol):
    """`imgedit-uge@2025-09`, of PKU-YuanGroup/ImgEdit, Benchmark/UGE/, 2025-09-07: one score on 1–5.

    One call: text, source, edit, no system role, neither temperature nor tokens sent, pictures with all their pixels.
    What is not as published: see `IMGEDIT_UGE`.
    """

    facts = IMGEDIT_UGE
    delivery = ImgEdit.delivery
    official = OfficialFiles(
        paths=("Benchmark/UGE/UGE_bench.py", "UGE/UGE_bench.py", "UGE_bench.py"),
        placeholders={"instruction": "<edit_prompt>"},
        style="replace",
        known={"f179b88b5f46d8acc2736d38af1ad4e0570a3d2d30148ca3ea02bf85f2960391": "PKU-YuanGroup/ImgEdit 2025-09-07"},
    )

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """One question for one number."""
        name, reply = ("score", stated_score("score", 1, 5))
        if as_published:
            name, reply = _MEAN, mean_of_any_lines(_MEAN)
        shown = (Shown("source"), Shown("edited"))
        return [Call("score", ("prompt",), shown, (name,), reply, {"instruction": sample.instruction})]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The number itself."""
        (score,) = values.values()
        return score
