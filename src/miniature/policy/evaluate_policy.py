"""Measures a miniature policy before any reinforcement learning and writes its model card.

Run as `python -m src.miniature.policy.evaluate_policy`.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.editor.evaluate_editor import held_out_edits
from src.miniature.editor.sampling import edit_pictures
from src.miniature.policy.noisy_rewrites import LAZY_SHARE, LAZY_THOUGHT, PARTIAL_SHARE, VAGUE, VAGUE_SHARE
from src.miniature.policy.policy_architecture import LANGUAGES
from src.miniature.policy.policy_batches import prompt_text
from src.miniature.policy.train_policy import CAREFUL_SHARE
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit
from src.models.reward.reference_formula import compare_with_reference
from src.models.vlm.prompts import Language
from src.models.vlm.tags import read_rewrite

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline
    from transformers import BatchFeature, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

MOST_TOKENS = 80
"""The longest careful rewrite has about 70 tokens."""
SAMPLES = 8
"""Rewrites drawn for each edit at temperature 1: the size of a usual group in GRPO."""
AS_GOOD = 1.0
"""A rewrite is as good as the explicit wording if its edit scores at most this much less."""
WORTHWHILE = 3.0
"""Only edits whose explicit wording scores at least this tell good rewrites from bad ones."""
_PROMPTS_AT_ONCE = 32

logger = logging.getLogger(__name__)

CARD = """\
# The miniature policy

A rewriter of edit instructions with the real Qwen2.5-VL architecture at {millions:.1f} million parameters
({megabytes:.0f} MB, half precision on disk, loaded in single precision). It sees a 64×64 picture of EditLoop's
procedural world and an English or Chinese instruction, thinks in `<CoT>` and says what to draw in `<Re_edit>` (prompt:
`prompts/rewrite/first_pass`). `AutoModelForImageTextToText.from_pretrained` and `AutoProcessor.from_pretrained` load
the folder.

It is a scientific instrument: the starting point of the miniature reinforcement-learning runs. **It is imprecise on
purpose**, so that there is something to learn; it is useless outside its world, and **no number here is a claim about
real rewriters**.

- **Data**: {edits:,} procedural edits (training seeds from 1,000,000), each seen once, all categories and difficulties,
  half in English and half in Chinese. No outside picture, text or weight was used.
- **Training**: begun from the text encoder of the miniature editor (`assets/miniature/editor`) with one layer more;
  {steps:,} steps of {batch} edits. {remark}
- **Noise**: the first {careful_steps:.0%} of the steps taught careful rewrites alone (the reason, then the explicit
  wording), the rest {careful:.0%} careful and else lazy ones ({lazy}). A lazy one thinks
  "{lazy_thought}" and goes on with "{vague}" ({vague_share:.0%}), with only
  the first demand ({partial_share:.0%}), or with an instruction for another edit. The likeliest rewrite of a medium or
  hard instruction shall therefore be vague, and sampling find a careful one.
- **Form**: the tags and the fixed texts of the prompts are single tokens; a completion has {tokens:.0f} tokens on
  average, and {most_tokens} are enough for nearly all. The end token is `<|im_end|>`.
- **Made by** `python -m src.miniature.policy.train_policy`,
  **measured by** `python -m src.miniature.policy.evaluate_policy`.

## Held-out scores before reinforcement learning

Mean reference score, 0–10 (`src/models/reward/reference_formula.py`), of what the miniature editor makes of
each wording.
{count} held-out edits (seeds from 500,000), English and Chinese in turn. *Instruction* is the user's own, *greedy* the
policy's likeliest rewrite, *sampled* the mean of {samples} rewrites at temperature 1, *best of {samples}* the best of
them, which is what GRPO can find; *explicit* is the exact wording, the ceiling. A
rewrite that cannot be read is not edited and counts as score 0, as a policy's own fault does in training. *Well-formed*
is the share of rewrites without a broken rule. *As good* is the share that scores at most {as_good:g} less than the
explicit wording, among edits whose explicit wording reaches {worthwhile:g}.

As shipped the policy does more harm than good: the user's own words serve the editor better. What reinforcement
learning can win is for the larger part what the noise took away; only the hard instructions leave more to win.

{table}

## Examples

Of each category the held-out edit for which the best of the sampled rewrites gains most over the likeliest one:

{examples}
"""


@dataclass(frozen=True)
class Scored:
    """A wording and how well the editor does by it.

    Attributes:
        text: What somebody wrote: an instruction, or a policy's whole completion.
        score: The reference score (0–10); 0 for a completion that cannot be read.
        formed: Whether it can be read; always true for an instruction.
    """

    text: str
    score: float
    formed: bool


@dataclass(frozen=True)
class EditScores:
    """All wordings of one held-out edit.

    Attributes:
        category: Of the edit.
        difficulty: Of the edit.
        instruction: The user's instruction.
        explicit: The wording that says what to draw.
        greedy: The policy's likeliest completion.
        sampled: Its completions at temperature 1.
    """

    category: str
    difficulty: str
    instruction: Scored
    explicit: Scored
    greedy: Scored
    sampled: list[Scored]


def write_rewrites(
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    edits: Sequence[MiniatureEdit],
    samples: int | None = None,
    seed: int = 0,
) -> list[list[str]]:
    """The policy's completions for edits, whose prompts are English and Chinese in turn.

    Args:
        policy: The model.
        processor: Its processor.
        edits: What to rewrite.
        samples: Completions of each edit at temperature 1; None for the likeliest alone.
        seed: Of the sampling; torch's global generator is set to it.

    Returns:
        For each edit its completions, without special tokens.
    """
    import torch

    torch.manual_seed(seed)
    choice = (
        {"do_sample": False} if samples is None else {"do_sample": True, "top_k": 0, "num_return_sequences": samples}
    )
    written: list[list[str]] = []
    for start in range(0, len(edits), _PROMPTS_AT_ONCE):
        inputs = _inputs(processor, edits[start : start + _PROMPTS_AT_ONCE], start)
        with torch.inference_mode():
            tokens = policy.generate(**inputs.to(policy.device), max_new_tokens=MOST_TOKENS, **choice)
        texts = processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        each = samples or 1
        written += [texts[first : first + each] for first in range(0, len(texts), each)]
    return written


def _inputs(processor: Qwen2_5_VLProcessor, edits: Sequence[MiniatureEdit], first: int) -> BatchFeature:
    from PIL import Image

    places = range(first, first + len(edits))
    prompts = [prompt_text(processor, edit, _language(place)) for place, edit in zip(places, edits, strict=True)]
    pictures = [Image.fromarray(edit.source) for edit in edits]
    return processor(text=prompts, images=pictures, padding=True, return_tensors="pt")


def _language(place: int) -> Language:
    return LANGUAGES[place % len(LANGUAGES)]


def evaluate(
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    pipeline: QwenImageEditPipeline,
    edits: Sequence[MiniatureEdit],
) -> list[EditScores]:
    """Scores every wording of each edit: the user's, the explicit one and the policy's, likeliest and sampled."""
    greedy = write_rewrites(policy, processor, edits)
    sampled = write_rewrites(policy, processor, edits, SAMPLES)
    told = [(_worded(edit, "instruction", place), _worded(edit, "explicit", place)) for place, edit in enumerate(edits)]
    wordings = [
        [*own, *map(instruction_of, (*likeliest, *others))]
        for own, likeliest, others in zip(told, greedy, sampled, strict=True)
    ]
    logger.info("wrote %d rewrites", sum(map(len, wordings)))
    scores = _scores(pipeline, edits, wordings)
    groups = []
    for edit, own, likeliest, others, row in zip(edits, told, greedy, sampled, scores, strict=True):
        instruction, explicit, *written = (
            Scored(text, score or 0.0, score is not None)
            for text, score in zip((*own, *likeliest, *others), row, strict=True)
        )
        groups.append(EditScores(edit.category, edit.difficulty, instruction, explicit, written[0], written[1:]))
    return groups


def _worded(edit: MiniatureEdit, kind: str, place: int) -> str:
    text: str = getattr(edit, f"{kind}_{_language(place)}")
    return text


def instruction_of(completion: str) -> str | None:
    """What a completion tells the editor; None if it breaks a rule of the form."""
    rewrite = read_rewrite(completion)
    return None if rewrite.problems else " ".join(rewrite.instructions)


def _scores(
    pipeline: QwenImageEditPipeline, edits: Sequence[MiniatureEdit], wordings: Sequence[Sequence[str | None]]
) -> list[list[float | None]]:
    """The score of each wording of each edit; equal wordings are edited once, and None is no wording."""
    wanted = sorted({(place, text) for place, row in enumerate(wordings) for text in row if text is not None})
    pictures = edit_pictures(pipeline, [edits[place].source for place, _ in wanted], [text for _, text in wanted])
    score: dict[tuple[int, str | None], float] = {
        (place, text): compare_with_reference(edits[place].source, picture, edits[place].target).score
        for (place, text), picture in zip(wanted, pictures, strict=True)
    }
    return [[score.get((place, text)) for text in row] for place, row in enumerate(wordings)]


def scores_table(scores: Sequence[EditScores]) -> str:
    """Means by category, by difficulty and of all, as a Markdown table."""
    lines = [
        f"| edits | instruction | greedy | sampled | best of {SAMPLES} | explicit | well-formed, greedy | sampled "
        "| as good, greedy | sampled |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(name, [one for one in scores if one.category == name]) for name in CATEGORIES]
    lines += [_row(name, [one for one in scores if one.difficulty == name]) for name in DIFFICULTIES]
    lines.append(_row("**all**", scores))
    return "\n".join(lines)


def _row(name: str, scores: Sequence[EditScores]) -> str:
    clear = [one for one in scores if one.explicit.score >= WORTHWHILE]
    means = (
        np.mean([one.instruction.score for one in scores]),
        np.mean([one.greedy.score for one in scores]),
        np.mean([[sample.score for sample in one.sampled] for one in scores]),
        np.mean([max(sample.score for sample in one.sampled) for one in scores]),
        np.mean([one.explicit.score for one in scores]),
    )
    shares = (
        np.mean([one.greedy.formed for one in scores]),
        np.mean([[sample.formed for sample in one.sampled] for one in scores]),
        np.mean([_as_good(one.greedy, one) for one in clear]),
        np.mean([[_as_good(sample, one) for sample in one.sampled] for one in clear]),
    )
    return f"| {name} | " + " | ".join([f"{mean:.2f}" for mean in means] + [f"{share:.0%}" for share in shares]) + " |"


def _as_good(rewrite: Scored, edit: EditScores) -> bool:
    return rewrite.score >= edit.explicit.score - AS_GOOD


def model_card(
    folder: Path,
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    scores: Sequence[EditScores],
    remark: str,
) -> str:
    """The text of the policy's README.md: what it is, how it was made, and the measured scores."""
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    completions = [sample.text for one in scores for sample in one.sampled]
    steps, batch = facts["steps_done"], facts["recipe"]["batch"]
    lazy = ", ".join(f"{share:.0%} of the {name} ones" for name, share in LAZY_SHARE.items())
    return CARD.format(
        millions=sum(weight.numel() for weight in policy.parameters()) / 1e6,
        megabytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6,
        careful_steps=CAREFUL_SHARE,
        careful=1.0 - np.mean(list(LAZY_SHARE.values())),
        lazy=lazy,
        lazy_thought=LAZY_THOUGHT.en,
        vague=VAGUE.en,
        vague_share=VAGUE_SHARE,
        partial_share=PARTIAL_SHARE,
        edits=steps * batch,
        steps=steps,
        batch=batch,
        remark=remark,
        tokens=np.mean([len(ids) + 1 for ids in processor.tokenizer(completions)["input_ids"]]),
        most_tokens=MOST_TOKENS,
        count=len(scores),
        samples=SAMPLES,
        as_good=AS_GOOD,
        worthwhile=WORTHWHILE,
        table=scores_table(scores),
        examples=_examples(scores),
    )


def _examples(scores: Sequence[EditScores]) -> str:
    """The first edit of each category whose best sampled rewrite beats the likeliest one most clearly."""
    lines = []
    for name in CATEGORIES:
        one = max((one for one in scores if one.category == name), key=_found)
        best = max(one.sampled, key=lambda sample: sample.score)
        lines += [f"- {one.instruction.text}"]
        lines += [
            f"  - {kind}, {it.score:.1f}: `{' '.join(it.text.split())}`"
            for kind, it in (("greedy", one.greedy), ("best", best))
        ]
    return "\n".join(lines)


def _found(one: EditScores) -> float:
    return max(sample.score for sample in one.sampled) - one.greedy.score


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measure a miniature policy on held-out edits; writes its model card.")
    parser.add_argument("--model", type=Path, default=Path("assets/miniature/policy"), help="folder of the policy")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="folder of the editor")
    parser.add_argument("--count", type=int, default=12, help="held-out edits of each category and difficulty")
    parser.add_argument("--remark", default="", help="what the recipe does not say of how these weights came about")
    chosen = parser.parse_args()
    from diffusers import QwenImageEditPipeline
    from transformers import AutoModelForImageTextToText, AutoProcessor

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    edits = [
        edit
        for category in CATEGORIES
        for difficulty in DIFFICULTIES
        for edit in held_out_edits(category, difficulty, chosen.count)
    ]
    policy = AutoModelForImageTextToText.from_pretrained(chosen.model)
    processor = AutoProcessor.from_pretrained(chosen.model)
    scores = evaluate(policy, processor, QwenImageEditPipeline.from_pretrained(chosen.editor), edits)
    (chosen.model / "README.md").write_text(
        model_card(chosen.model, policy, processor, scores, chosen.remark), encoding="utf-8"
    )
    logger.info("wrote %s", chosen.model / "README.md")


if __name__ == "__main__":
    main()
