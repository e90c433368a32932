"""UniREditBench's protocol."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from src.data.protocols import UNIREDIT
from src.data.sample import EditSample
from src.models.vlm.official_prompts import OfficialFiles
from src.rewards.core.scorer import NO_REFERENCE
from src.rewards.scorers.protocols.pictures import within
from src.rewards.scorers.protocols.protocol import Call, Protocol, Shown
from src.rewards.scorers.protocols.rise import DELIVERY, five_point_call


class UniREdit(Protocol):
    """`uniredit@2026-08`, of Maplebb/UniREditBench, eval/gpt_eval_uniredit.py, 2026-08-14: a weighted sum on 1–5.

    Three calls, text first, no system role, temperature 0, 4096 tokens, pictures within 768 × 768 as JPEG of quality 75
    with detail high: consistency of source and edit, reasoning of source, reference and edit in this order, quality of
    the edit. s = 0.3 consistency + 0.5 reasoning + 0.2 plausibility. What is not as published: see `UNIREDIT`.

    Attributes of a sample: `rules`, which stand before the instruction, `instruction`, which is the one without
    rules, and `reference_effect`: what a right result shows.
    """

    facts = UNIREDIT
    delivery = DELIVERY
    official = OfficialFiles(
        paths=("eval/utils.py",),
        placeholders={"instruction": "instruct", "reference": "reference"},
        verbatim=frozenset({"prompt_generation"}),
        known={"2823400b1cc083fcaa86aa37c35f0fa7dc8b8af520f3c1de045547896dd76870": "Maplebb/UniREditBench 2026-08-14"},
    )

    def prepare(self, image: Image.Image, source: Image.Image) -> Image.Image:
        """The picture within 768 × 768 pixels."""
        return within(768, image)

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where there is no reference picture."""
        return None if sample.reference is not None else NO_REFERENCE

    def calls(self, sample: EditSample, *, as_published: bool) -> list[Call]:
        """Consistency, reasoning and plausibility."""
        rules, alone = sample.attributes.get("rules"), sample.attributes.get("instruction", sample.instruction)
        told = {"instruction": f"{rules}\n{alone}" if rules else sample.instruction}
        effect = str(sample.attributes.get("reference_effect") or sample.rationale or "")
        source, reference, edited = Shown("source"), Shown("reference"), Shown("edited")
        return [
            five_point_call("consistency", "prompt_consist", (source, edited), "consistency", told),
            five_point_call(
                "reasoning",
                "prompt_reasoning_w_ref_image",
                (source, reference, edited),
                "reasoning",
                told | {"reference": effect},
            ),
            five_point_call("quality", "prompt_generation", (edited,), "plausibility", {}),
        ]

    def own_score(self, sample: EditSample, values: Mapping[str, float], *, as_published: bool) -> float:
        """The weighted sum."""
        return 0.3 * values["consistency"] + 0.5 * values["reasoning"] + 0.2 * values["plausibility"]
