"""The model card of the miniature policy: what it is, how it was made, and what its rewrites are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.model_card import markdown_table, megabytes, training_facts
from src.miniature.policy.readable import FORM, GRAMMAR, REPEATS, readability
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES
from src.miniature.world.split import HELD_OUT_FAMILIES

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

MOST_TOKENS = 80
"""The longest faithful rewrite has about 70 tokens."""
SAMPLES = 8
"""Rewrites drawn for each edit at temperature 1: the size of a usual group in GRPO."""
AS_GOOD = 1.0
"""A rewrite is as good as the explicit wording if its edit scores at most this much less."""
WORTHWHILE = 3.0
"""Only edits whose explicit wording scores at least this tell good rewrites from bad ones."""

CARD = """\
# The miniature policy

A rewriter of edit instructions with the real Qwen2.5-VL architecture at {millions:.1f} million parameters
({megabytes:.0f} MB, half precision on disk, loaded in single precision). It sees a 64×64 picture of EditLoop's
procedural world and an English or Chinese instruction, thinks in `<CoT>` and says what to draw in `<Re_edit>` (prompt:
`prompts/rewrite/first_pass`). `AutoModelForImageTextToText.from_pretrained` and `AutoProcessor.from_pretrained` load
the folder.

It is a scientific instrument: the starting point of the miniature reinforcement-learning runs. It is useless outside
its world, and **no number here is a claim about real rewriters**.

- **Data**: {edits:,} procedural edits (training seeds from 1,000,000), each seen once, all categories and difficulties,
  half in English and half in Chinese. Every rewrite is faithful: the reason, then the explicit wording. No instruction
  of the families
  {untaught}
  and no held-out wording (`src/miniature/world/split.py`) was among them; each change that these families ask for
  belongs to a training family as well, and so does about a tenth of their reasons, word for word. No outside picture,
  text or weight was used.
- **Training**: begun from the text encoder of the miniature editor (`assets/miniature/editor`) with one layer more;
  {steps:,} steps of {batch} edits. {remark}
- **Form**: the tags and the fixed texts of the prompts are single tokens; a completion has {tokens:.0f} tokens on
  average, and {most_tokens} are enough for nearly all. The end token is `<|im_end|>`.
- **Made by** `python -m src.miniature.policy.train_policy`,
  **measured by** `python -m src.miniature.policy.evaluate_policy --count {per_group}`.

## Held-out scores before reinforcement learning

Mean reference score, 0–10 (`src/models/reward/reference_formula.py`), of what the miniature editor makes of
each wording.
{count} held-out edits (seeds from 500,000), English and Chinese in turn. *Instruction* is the user's own, *greedy* the
policy's likeliest rewrite, *sampled* the mean of {samples} rewrites at temperature 1, *best of {samples}* the best of
them, which is what GRPO can find; *explicit* is the exact wording, the ceiling. A
rewrite that cannot be read is not edited and counts as score 0, as a policy's own fault does in training. *Well-formed*
is the share of rewrites without a broken rule. *As good* is the share that scores at most {as_good:g} less than the
explicit wording, among edits whose explicit wording reaches {worthwhile:g}. *Right words* is the share that is, word
for word, an explicit wording of the right change.

### Taught families, taught wordings

{taught}

### Untaught families, taught and untaught wordings of theirs alike unknown to the policy

{new}

## Readability

A rewrite is unreadable if it breaks a rule of the form, if its instruction is no sentence of the world's grammar
(`src/miniature/world/grammar.py`: every explicit template, with any colours and things, in one language), or if it
repeats itself.

{readability}

## Examples

Of each category the edit of an untaught family for which the best of the sampled rewrites gains most over the likeliest
one:

{examples}
"""


@dataclass(frozen=True)
class ScoredText:
    """A wording and how well the editor does by it.

    Attributes:
        text: What somebody wrote: an instruction, or a policy's whole completion.
        score: The reference score (0–10); 0 for a completion that cannot be read.
        formed: Whether it can be read; always true for an instruction.
        right: Whether it is an explicit wording of the right change, word for word.
    """

    text: str
    score: float
    formed: bool
    right: bool = False


@dataclass(frozen=True)
class EditScores:
    """All wordings of one held-out edit.

    Attributes:
        category: The category of the edit.
        difficulty: The difficulty of the edit.
        held_out: Whether the policy was taught nothing of the edit's family.
        instruction: The user's instruction.
        explicit: The wording that says what to draw.
        greedy: The policy's likeliest completion.
        sampled: Its completions at temperature 1.
    """

    category: str
    difficulty: str
    held_out: bool
    instruction: ScoredText
    explicit: ScoredText
    greedy: ScoredText
    sampled: list[ScoredText]


def scores_table(scores: Sequence[EditScores]) -> str:
    """Means by category, by difficulty and of all, as a Markdown table."""
    groups = {name: [one for one in scores if one.category == name] for name in CATEGORIES}
    groups |= {name: [one for one in scores if one.difficulty == name] for name in DIFFICULTIES}
    groups["**all**"] = list(scores)
    rows = [_row(name, group) for name, group in groups.items() if group]
    wordings = ("instruction", "greedy", "sampled", f"best of {SAMPLES}", "explicit")
    shares = ("well-formed, greedy", "sampled", "as good, greedy", "sampled")
    right = ("right words, greedy", "sampled", f"in one of {SAMPLES}")
    return markdown_table(("edits", *wordings, *shares, *right), rows)


def _row(name: str, scores: Sequence[EditScores]) -> list[str]:
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
        np.mean([_as_good(one.greedy, one) for one in clear]) if clear else None,
        np.mean([[_as_good(sample, one) for sample in one.sampled] for one in clear]) if clear else None,
        np.mean([one.greedy.right for one in scores]),
        np.mean([[sample.right for sample in one.sampled] for one in scores]),
        np.mean([any(sample.right for sample in one.sampled) for one in scores]),
    )
    return [name, *(f"{mean:.2f}" for mean in means), *("–" if one is None else f"{one:.0%}" for one in shares)]


def readability_table(scores: Sequence[EditScores]) -> str:
    """The shares of unreadable rewrites, likeliest and sampled, of taught and untaught families."""
    rows = []
    for families, held_out in (("taught", False), ("untaught", True)):
        of_families = [one for one in scores if one.held_out == held_out]
        written = {
            "greedy": [one.greedy.text for one in of_families],
            "sampled": [sample.text for one in of_families for sample in one.sampled],
        }
        for kind, texts in written.items():
            found = readability(texts)
            shares = (found.unreadable, *(found.faults[fault] for fault in (FORM, GRAMMAR, REPEATS)))
            cells = [f"{share:.1%}" for share in (*shares, found.foreign_thoughts)]
            rows.append([f"{families}, {kind}", str(found.rewrites), *cells])
    columns = ("families", "rewrites", "unreadable", "form", "outside the grammar", "repeats", "thought outside")
    return markdown_table(columns, rows)


def _as_good(rewrite: ScoredText, edit: EditScores) -> bool:
    return rewrite.score >= edit.explicit.score - AS_GOOD


def model_card(
    folder: Path,
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    scores: Sequence[EditScores],
    remark: str,
) -> str:
    """The text of the policy's README.md: what it is, how it was made, and the measured scores."""
    facts = training_facts(folder)
    completions = [sample.text for one in scores for sample in one.sampled]
    steps, batch = facts["steps_done"], facts["recipe"]["batch"]
    return CARD.format(
        millions=sum(weight.numel() for weight in policy.parameters()) / 1e6,
        megabytes=megabytes(folder),
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
        per_group=len(scores) // (2 * len(CATEGORIES) * len(DIFFICULTIES)),
        untaught=", ".join(f"`{name}`" for name in sorted(HELD_OUT_FAMILIES)),
        taught=scores_table([one for one in scores if not one.held_out]),
        new=scores_table([one for one in scores if one.held_out]),
        readability=readability_table(scores),
        examples=_examples([one for one in scores if one.held_out]),
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
