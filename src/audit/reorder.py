"""Shows the labelled pictures of a question in another order: what is before and after, the labels alone tell then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from src.models.vlm.question import Picture
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.judge_prompt import JudgedQuestion, JudgePrompt
from src.rewards.scorers.category import CategoryQuestion
from src.rewards.scorers.combined import CombinedQuestion

_OTHER: dict[Picture, Picture] = {"source": "edited", "edited": "source"}


def reordered(question: Any, judge: JudgeHandle | None) -> Any:
    """The question with the edit before the source; None where it does not label both for this judge.

    Args:
        question: What a scorer asks (`Scorer.question`).
        judge: The judge that is asked.
    """
    if judge is None or not _is_shown_sources(judge):
        return None
    if isinstance(question, CombinedQuestion):
        parts = {name: (part, reordered(part.question, judge)) for name, part in question.parts.items()}
        if not any(other for _, other in parts.values()):
            return None
        others = {name: replace(part, question=other) if other else part for name, (part, other) in parts.items()}
        return CombinedQuestion(others)
    if not isinstance(question, JudgedQuestion):
        return None
    if isinstance(question, CategoryQuestion) and question.language is None:
        return None
    prompts = tuple(map(_turned, question.prompts))
    return replace(question, prompts=prompts) if prompts != question.prompts else None


def _turned(prompt: JudgePrompt) -> JudgePrompt:
    both = {"source", "edited"} <= set(prompt.shows)
    return replace(prompt, shows=tuple(_OTHER.get(one, one) for one in prompt.shows)) if both else prompt


def _is_shown_sources(judge: JudgeHandle) -> bool:
    known = judge.model_class.Params
    return known is None or bool(getattr(known(**judge.params), "compare_with_original", True))
