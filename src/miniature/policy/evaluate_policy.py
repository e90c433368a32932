"""Measures a miniature policy before any reinforcement learning, its readability included, and writes its model card.

Run as `python -m src.miniature.policy.evaluate_policy`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.miniature.editor.evaluate_editor import held_out_edits
from src.miniature.editor.sampling import edit_pictures
from src.miniature.model_card import card_arguments, card_parser, write_card
from src.miniature.policy.architecture import LANGUAGES
from src.miniature.policy.batches import prompt_text
from src.miniature.policy.card import MOST_TOKENS, SAMPLES, EditScores, ScoredText, model_card
from src.miniature.trainer import start_command
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES, MiniatureEdit, Part, families
from src.miniature.world.split import Wordings
from src.models.reward.reference_formula import compare_with_reference
from src.models.vlm.prompts import Language
from src.models.vlm.tags import read_rewrite

if TYPE_CHECKING:
    from diffusers import QwenImageEditPipeline
    from transformers import BatchFeature, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

_PROMPTS_AT_ONCE = 32

logger = logging.getLogger(__name__)


def write_rewrites(
    policy: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    edits: Sequence[MiniatureEdit],
    samples: int | None = None,
    seed: int = 0,
    languages: Sequence[Language] = LANGUAGES,
) -> list[list[str]]:
    """The policy's completions for edits, whose prompts are in several languages in turn.

    Args:
        policy: The model.
        processor: Its processor.
        edits: What to rewrite.
        samples: Completions of each edit at temperature 1; None for the likeliest alone.
        seed: The seed of the sampling; torch's global generator is set to it.
        languages: Of the prompts, in turn.

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
        inputs = _inputs(processor, edits[start : start + _PROMPTS_AT_ONCE], start, languages)
        with torch.inference_mode():
            tokens = policy.generate(**inputs.to(policy.device), max_new_tokens=MOST_TOKENS, **choice)
        texts = processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        each = samples or 1
        written += [texts[first : first + each] for first in range(0, len(texts), each)]
    return written


def _inputs(
    processor: Qwen2_5_VLProcessor, edits: Sequence[MiniatureEdit], first: int, languages: Sequence[Language]
) -> BatchFeature:
    from PIL import Image

    told = (languages[place % len(languages)] for place in range(first, first + len(edits)))
    prompts = [prompt_text(processor, edit, language) for edit, language in zip(edits, told, strict=True)]
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
    """Scores each edit as worded by the user, explicitly, and by the policy (likeliest and sampled)."""
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
            ScoredText(text, score or 0.0, score is not None, _says(text, edit))
            for text, score in zip((*own, *likeliest, *others), row, strict=True)
        )
        groups.append(
            EditScores(edit.category, edit.difficulty, edit.held_out, instruction, explicit, written[0], written[1:])
        )
    return groups


def _worded(edit: MiniatureEdit, kind: str, place: int) -> str:
    text: str = getattr(edit, f"{kind}_{_language(place)}")
    return text


def _says(text: str, edit: MiniatureEdit) -> bool:
    """Whether an instruction, or what a completion tells the editor, is an explicit wording of the edit."""
    return text in edit.explicit_wordings or instruction_of(text) in edit.explicit_wordings


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


def main() -> None:
    """The command line."""
    parser = card_parser("policy")
    parser.add_argument("--editor", type=Path, default=Path("assets/miniature/editor"), help="folder of the editor")
    parser.add_argument("--count", type=int, default=12, help="held-out edits of each category, difficulty and part")
    chosen = card_arguments(parser)
    from diffusers import QwenImageEditPipeline
    from transformers import AutoModelForImageTextToText, AutoProcessor

    start_command()
    parts: tuple[tuple[Part, Wordings], ...] = (("training", "training"), ("held_out", "any"))
    edits = [
        edit
        for part, wordings in parts
        for category in CATEGORIES
        for difficulty in DIFFICULTIES
        for edit in held_out_edits(category, difficulty, chosen.count, families(category, part), wordings)
    ]
    policy = AutoModelForImageTextToText.from_pretrained(chosen.model)
    processor = AutoProcessor.from_pretrained(chosen.model)
    scores = evaluate(policy, processor, QwenImageEditPipeline.from_pretrained(chosen.editor), edits)
    write_card(chosen.model, model_card(chosen.model, policy, processor, scores, chosen.remark))


if __name__ == "__main__":
    main()
