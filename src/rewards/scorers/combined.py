"""`CombinedScorer`: a weighted mean of several scorers, which share one judge."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pydantic

from src.config import with_class_of_protocol
from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE, Status, Verdict, failed
from src.errors import ConfigError
from src.models.base import ModelParams
from src.models.vlm.asking import total_usage
from src.models.vlm.prompts import Language
from src.registry import resolve
from src.rewards.core.scorer import Completion, CompletionScorer, EditedSample, Scorer, ScorerSetting, question_key


class WeightedScorer(ModelParams):
    """One scorer of a combination."""

    class_path: str
    params: dict[str, Any] = pydantic.Field(default_factory=dict)
    weight: float = pydantic.Field(1.0, gt=0, allow_inf_nan=False)
    """The weight of the part, relative to the weights of the others."""
    name: str | None = None
    """The name of the part in reports; without one it is the name of its class."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _of_protocol(cls, data: Any) -> Any:
        """A part that is a published protocol is called by its name."""
        if isinstance(data, dict) and "protocol" in data:
            data = {"name": data["protocol"], **data}
        return with_class_of_protocol(data)


@dataclass(frozen=True)
class PartQuestion:
    """What one part asks about a sample, or why it can say nothing about it."""

    inapplicable: str | None
    question: Any = None


@dataclass(frozen=True)
class CombinedQuestion:
    """What each part asks about one sample, by the part's name."""

    parts: Mapping[str, PartQuestion]

    def key(self) -> list[Any]:
        """What each part asks, or why it is not applicable, in the order of the parts; JSON-able."""
        return [part.inapplicable or question_key(part.question) for part in self.parts.values()]


class CombinedScorer(Scorer, CompletionScorer):
    """`score = Σ weight × score / Σ weight` over its parts, 0–10.

    A part that is not applicable to an edit is left out, its weight as well; when all are, so is the whole. A part that
    has no score for any other reason leaves the whole without one, with that part's status: a mean over what happens to
    be there would be another quantity.

    Completions are scored by parts that are all `CompletionScorer`s, such as `VQAScorer` and `FormatScorer`.

    Dimensions: each part's score by its name, and its dimensions as `name.dimension`.

    Raises:
        ConfigError: on construction, for whatever is wrong with a part, or two parts of one name.
    """

    class Params(ModelParams):
        """The params of a combination: the scorers that are combined."""

        parts: tuple[WeightedScorer, ...] = pydantic.Field(min_length=1)

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        parts: tuple[WeightedScorer, ...] = self.params.parts
        self._scorers: dict[str, Scorer] = {}
        self._weights: dict[str, float] = {}
        for position, part in enumerate(parts):
            where = f"scorer.params.parts[{position}]"
            name = part.name or part.class_path.rpartition(".")[2]
            if name in self._scorers:
                raise ConfigError(
                    f"{where}: another part is called {name!r} already; give this one a `name` of its own"
                )
            scorer_class = resolve(part, Scorer, where)  # type: ignore[type-abstract]
            self._scorers[name] = scorer_class(part.params, self.setting)
            self._weights[name] = part.weight / sum(other.weight for other in parts)
        self._turns: dict[str, threading.Semaphore] = {}

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """The largest batch that any part wants; the others get it in pieces."""
        return max(scorer.batch_size for scorer in self._scorers.values())

    @property
    def reads_completion(self) -> bool:  # type: ignore[override]
        """Whether the score of any part depends on the completion."""
        return any(scorer.reads_completion for scorer in self._scorers.values())

    @property
    def max_concurrency(self) -> int:  # type: ignore[override]
        """The most calls at once that any part bears; those to the others wait for their turn."""
        return max(scorer.max_concurrency for scorer in self._scorers.values())

    def check_categories(self, categories: Sequence[str]) -> None:
        """Refuses a category about which any of the parts has nothing to say."""
        for scorer in self._scorers.values():
            scorer.check_categories(categories)

    def needs_source(self, sample: EditSample) -> bool:
        """Each part says so for itself, and is left out if so."""
        return False

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says why, where no part is applicable to the sample."""
        reasons = {name: scorer.why_inapplicable(sample) for name, scorer in self._scorers.items()}
        return _no_part(reasons) if all(reasons.values()) else None

    def left_out(self, sample: EditSample) -> dict[str, str]:
        """The parts that are not applicable, and what the others leave out of theirs."""
        found: dict[str, str] = {}
        for name, scorer in self._scorers.items():
            if reason := scorer.why_inapplicable(sample):
                found[name] = reason
            else:
                found |= {f"{name}.{inner}": why for inner, why in scorer.left_out(sample).items()}
        return found

    def policy_rules(self, language: Language) -> str:
        """Returns the rules of all parts, each once."""
        rules = [scorer.policy_rules(language) for scorer in self._scorers.values()]
        return "\n\n".join(dict.fromkeys(filter(None, rules)))

    def prompt_agrees(self, template: str) -> None:
        """Checks that a policy's prompt suits every part."""
        for scorer in self._scorers.values():
            scorer.prompt_agrees(template)

    def check_texts_suffice(self) -> None:
        """Refuses parts that score no texts."""
        for name, scorer in self._scorers.items():
            if not isinstance(scorer, CompletionScorer):
                raise ConfigError(
                    f"part {name!r} of CombinedScorer scores edits, and here there are texts alone: leave it out, or "
                    "name a CompletionScorer such as VQAScorer or FormatScorer"
                )
            scorer.check_texts_suffice()

    def judge_calls(self, sample: EditSample) -> int:
        """The sum of the questions of all parts that are applicable to the sample."""
        parts = [scorer for scorer in self._scorers.values() if scorer.why_inapplicable(sample) is None]
        return sum(scorer.judge_calls(sample) for scorer in parts)

    def identity(self) -> dict[str, Any]:
        """The identity of each part, with its name and its share of the whole."""
        parts = [
            {"name": name, "weight": self._weights[name], "scorer": scorer.identity()}
            for name, scorer in self._scorers.items()
        ]
        return super().identity() | {"params": {"parts": parts}}

    def prompt_versions(self) -> dict[str, str]:
        """Returns version and hash of the prompt files of all parts."""
        parts = self._scorers.values()
        return {version: sha256 for part in parts for version, sha256 in part.prompt_versions().items()}

    def load(self) -> None:
        """Loads every part, and with it the judge where any part asks one."""
        if self._turns:
            return
        for scorer in self._scorers.values():
            scorer.load()
        self._turns = {name: threading.Semaphore(scorer.max_concurrency) for name, scorer in self._scorers.items()}

    def question(self, sample: EditSample) -> CombinedQuestion:
        """Returns what each part asks about the sample."""
        parts: dict[str, PartQuestion] = {}
        for name, scorer in self._scorers.items():
            reason = scorer.why_inapplicable(sample)
            parts[name] = PartQuestion(reason, None if reason else scorer.question(sample))
        return CombinedQuestion(parts)

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """Returns one verdict for each edit, in order."""
        questions = [self.question(edit.sample) if edit.question is None else edit.question for edit in batch]
        columns = {
            name: self._score_part(name, [(edit, one.parts[name]) for edit, one in zip(batch, questions, strict=True)])
            for name in self._scorers
        }
        rows = zip(*columns.values(), strict=True)
        return [self._combine(dict(zip(columns, row, strict=True))) for row in rows]

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        """Returns one verdict for each text, in order."""
        columns = {
            name: scorer.score_completions(batch)
            for name, scorer in self._scorers.items()
            if isinstance(scorer, CompletionScorer)
        }
        assert len(columns) == len(self._scorers), "check_texts_suffice comes first"
        rows = zip(*columns.values(), strict=True)
        return [self._combine(dict(zip(columns, row, strict=True))) for row in rows]

    def _score_part(self, name: str, batch: list[tuple[EditedSample, PartQuestion]]) -> list[Verdict]:
        scorer = self._scorers[name]
        edits = [replace(edit, question=part.question) for edit, part in batch if not part.inapplicable]
        size = scorer.batch_size
        with self._turns[name]:
            pieces = [scorer.score(edits[start : start + size]) for start in range(0, len(edits), size)]
        scored = chain.from_iterable(pieces)
        return [
            failed(Status.NOT_APPLICABLE, part.inapplicable) if part.inapplicable else next(scored) for _, part in batch
        ]

    def _combine(self, verdicts: Mapping[str, Verdict]) -> Verdict:
        """Combines the verdicts of the parts, and likewise those of each of their repeats."""
        status, score, reason = self._conclusion(verdicts)
        return Verdict(
            status=status,
            score=score,
            dimensions=_dimensions(verdicts),
            reason=reason,
            replies=tuple(reply for one in verdicts.values() for reply in one.replies),
            usage=total_usage(one.usage for one in verdicts.values()),
            seconds=sum(one.seconds for one in verdicts.values()),
            model=next((one.model for one in verdicts.values() if one.model), ""),
            repeats=self._repeats(verdicts),
            prompts=tuple(prompt for one in verdicts.values() for prompt in one.prompts),
        )

    def _repeats(self, verdicts: Mapping[str, Verdict]) -> tuple[Verdict, ...] | None:
        """A combination for each repeat; None where the parts were repeated differently often.

        A part that was judged once counts in each of them, and what it used in the first alone.
        """
        counts = {None if one.repeats is None else len(one.repeats) for one in verdicts.values() if one.repeats != ()}
        if not counts:
            return ()
        count = counts.pop()
        if counts or count is None:
            return None
        once = {name: replace(one, prompts=()) for name, one in verdicts.items() if not one.repeats}
        spent = {name: replace(one, usage={}, seconds=0.0) for name, one in once.items()}
        return tuple(
            self._combine(
                {
                    name: one.repeats[place] if one.repeats else (spent if place else once)[name]
                    for name, one in verdicts.items()
                }
            )
            for place in range(count)
        )

    def _conclusion(self, verdicts: Mapping[str, Verdict]) -> tuple[Status, float | None, str | None]:
        """The status, the score and the reason of the whole."""
        total = weights = 0.0
        for name, one in verdicts.items():
            if one.status is Status.NOT_APPLICABLE:
                continue
            if one.score is None:
                return one.status, None, f"{name}: {one.reason}"
            total += self._weights[name] * one.score
            weights += self._weights[name]
        if not weights:
            return Status.NOT_APPLICABLE, None, _no_part({name: one.reason for name, one in verdicts.items()})
        return Status.SCORED, min(SCORE_RANGE[1], total / weights), None  # rounding may pass the maximum


def _no_part(reasons: Mapping[str, str | None]) -> str:
    listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return f"no part is applicable ({listed})"


def _dimensions(verdicts: Mapping[str, Verdict]) -> dict[str, float | None]:
    named: dict[str, float | None] = {}
    for name, one in verdicts.items():
        named[name] = one.score
        named |= {f"{name}.{dimension}": value for dimension, value in one.dimensions.items()}
    return named
