"""`FormatScorer`: how well a policy's completion keeps to the form that it was asked for. No picture, no judge."""

from __future__ import annotations

from typing import Any, Literal, Self

import pydantic

from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE, Status, Verdict, failed
from src.models.base import ModelParams
from src.models.vlm.prompts import Language, load_prompt
from src.models.vlm.tags import REWRITE_TAGS, THINK_TAGS, read_answer, read_blocks, read_rewrite, require_tags
from src.rewards.core.scorer import Completion, CompletionScorer, EditedSample, Scorer
from src.rewards.scorers.words import words

_UNITS: dict[Language, dict[str, str]] = {
    "en": {"characters": "characters", "words": "words"},
    "zh": {"characters": "个字符", "words": "个词（一个汉字算一个词）"},
}
NO_COMPLETION = (
    "a benchmark has no policy's text of which to check the form, not even with RewriteEditor; only a training has"
)


class FormatScorer(Scorer, CompletionScorer):
    """Full marks less what is deducted; a completion that breaks a hard rule gets 0.

    The rules are those of the official_grpo_rl_post_edit_module:

    - Hard: the structure that `read_rewrite` or `read_answer` demands.
    - Length: by the mean number of characters of the instructions (or the answer): nothing up to the first of
      `length_limits`, then one of `length_penalties` for each further range.
    - Lines (`rewrite` only): `line_penalty` for each block that does not fill exactly one line by itself.

    What differs: empty blocks and unbalanced tags break the structure; points are given on 0–10, twice the original's
    0–5; and the policy's prompt states all of these rules, with their numbers (`policy_rules`), where the original's
    spoke of words and counted characters.

    Dimensions: `structure_deducted`, `length_deducted` and `lines_deducted`, in points of the score.
    """

    reads_completion = True

    class Params(ModelParams):
        """The rules; the defaults are the published ones, with points doubled to 0–10."""

        style: Literal["rewrite", "think_answer"] = "rewrite"
        length_unit: Literal["characters", "words"] = "characters"
        length_limits: tuple[float, float, float] = (50, 100, 150)
        """Rising: the ideal, the acceptable and the tolerable mean length."""
        length_penalties: tuple[float, float, float] = (1.0, 3.0, 5.0)
        """The points deducted above each limit; only the last that applies counts."""
        line_penalty: float = pydantic.Field(2.0, ge=0)

        @pydantic.model_validator(mode="after")
        def _ordered(self) -> Self:
            if not 0 <= self.length_limits[0] <= self.length_limits[1] <= self.length_limits[2]:
                raise ValueError("length_limits must rise from the ideal to the tolerable length")
            if min(self.length_penalties) < 0:
                raise ValueError("length_penalties must not be negative: they are deducted")
            return self

    def needs_source(self, sample: EditSample) -> bool:
        """No picture is looked at."""
        return False

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so of every sample in a run in which no policy's text is scored."""
        return None if self.setting.has_completions else NO_COMPLETION

    def question(self, sample: EditSample) -> Any:
        """Returns no question, as nobody is asked: the scorer reads the completion alone."""
        return None

    def policy_rules(self, language: Language) -> str:
        """Returns all rules of the form, with their numbers."""
        steps = zip(self.params.length_limits, self.params.length_penalties, strict=True)
        rules, _ = load_prompt("rewrite", "form", language).render(
            style=self.params.style,
            unit=_UNITS[language][self.params.length_unit],
            steps=[(f"{limit:g}", f"{points:g}") for limit, points in steps if points],
            line_penalty=f"{self.params.line_penalty:g}",
        )
        return rules

    def prompt_agrees(self, template: str) -> None:
        """Checks that a policy's prompt asks for the tags that are demanded here.

        Raises:
            ConfigError: naming the missing tags.
        """
        names = REWRITE_TAGS if self.params.style == "rewrite" else THINK_TAGS
        require_tags(template, names, f"FormatScorer with style {self.params.style}")

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order; edits that no completion demanded are not applicable."""
        return [self._edit_verdict(edit) for edit in batch]

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        """One verdict a text, in order; every text has a score."""
        return [self._verdict(completion.text) for completion in batch]

    def _edit_verdict(self, edit: EditedSample) -> Verdict:
        if edit.completion is None:
            return failed(Status.NOT_APPLICABLE, NO_COMPLETION)
        return self._verdict(edit.completion)

    def _verdict(self, text: str) -> Verdict:
        full = SCORE_RANGE[1]
        problems, measured, lines_at_fault = self._read(text)
        deducted = {
            "structure_deducted": full if problems else 0.0,
            "length_deducted": 0.0 if problems else self._length_penalty(measured),
            "lines_deducted": 0.0 if problems else self.params.line_penalty * lines_at_fault,
        }
        return Verdict(Status.SCORED, max(0.0, full - sum(deducted.values())), dimensions=dict(deducted))

    def _read(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
        """The broken hard rules, the texts whose length counts, and the number of blocks that are off their line."""
        if self.params.style == "think_answer":
            answered = read_answer(text)
            return answered.problems, (answered.answer or "",), 0
        rewrite = read_rewrite(text)
        return rewrite.problems, rewrite.instructions, _blocks_off_their_line(text)

    def _length_penalty(self, texts: tuple[str, ...]) -> float:
        measure = len if self.params.length_unit == "characters" else lambda text: len(words(text))
        mean = sum(map(measure, texts)) / len(texts)
        steps = zip(self.params.length_limits, self.params.length_penalties, strict=True)
        return next((penalty for limit, penalty in reversed(list(steps)) if mean > limit), 0.0)


def _blocks_off_their_line(text: str) -> int:
    """The number of blocks of a well-formed rewrite that share a line or take several."""
    lines = [read_blocks(line, REWRITE_TAGS) for line in text.split("\n")]
    alone = sum(len(line.blocks) == 1 and not (line.outside or line.problems) for line in lines)
    return len(read_blocks(text, REWRITE_TAGS).blocks) - alone
