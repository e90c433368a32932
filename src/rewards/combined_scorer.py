"""`CombinedScorer`: a weighted mean of several scorers, which share one judge."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pydantic

from src.config import ModelConfig
from src.data.sample import EditSample
from src.errors import ConfigError
from src.models.base import ModelParams
from src.rewards.asking import total_usage
from src.rewards.base import Completion, CompletionScorer, EditedSample, Scorer, ScorerSetting
from src.rewards.build import build_scorer
from src.rewards.prompts import Language
from src.rewards.verdict import SCORE_RANGE, Status, Verdict, failed


class Part(ModelParams):
    """One scorer of a combination."""

    class_path: str
    params: dict[str, Any] = pydantic.Field(default_factory=dict)
    weight: float = pydantic.Field(1.0, gt=0, allow_inf_nan=False)
    """Relative to the other parts'."""
    name: str | None = None
    """In reports; the class's name when absent."""


class CombinedScorer(Scorer, CompletionScorer):
    """`score = Σ weight × score / Σ weight` over its parts, 0–10.

    A part that is not applicable to an edit is left out, its weight as well; when all are, so is the whole. A part that
    has no score for any other reason leaves the whole without one, with that part's status: a mean over what happens to
    be there would be another quantity.

    Completions are scored by parts that are all `CompletionScorer`s, such as `VQAReward` and `FormatReward`.

    Dimensions: each part's score by its name, and its dimensions as `name.dimension`.

    Raises:
        ConfigError: on construction, for whatever is wrong with a part, or two parts of one name.
    """

    class Params(ModelParams):
        """What is combined."""

        parts: tuple[Part, ...] = pydantic.Field(min_length=1)

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        super().__init__(params, setting)
        parts: tuple[Part, ...] = self.params.parts
        self._scorers: dict[str, Scorer] = {}
        self._weights: dict[str, float] = {}
        for position, part in enumerate(parts):
            where = f"scorer.params.parts[{position}]"
            name = part.name or part.class_path.rpartition(".")[2]
            if name in self._scorers:
                raise ConfigError(
                    f"{where}: another part is called {name!r} already; give this one a `name` of its own"
                )
            config = ModelConfig(class_path=part.class_path, params=part.params)
            self._scorers[name] = build_scorer(config, self.setting, where)
            self._weights[name] = part.weight / sum(other.weight for other in parts)
        self._turns: dict[str, threading.Semaphore] = {}

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """The largest that any part wants; the others get it in pieces."""
        return max(scorer.batch_size for scorer in self._scorers.values())

    @property
    def reads_completion(self) -> bool:  # type: ignore[override]
        """Whether any part does."""
        return any(scorer.reads_completion for scorer in self._scorers.values())

    @property
    def max_concurrency(self) -> int:  # type: ignore[override]
        """The highest of all parts; calls of the others wait for their turn."""
        return max(scorer.max_concurrency for scorer in self._scorers.values())

    def check_categories(self, categories: Sequence[str]) -> None:
        """Each part must have something to say about all of them."""
        for scorer in self._scorers.values():
            scorer.check_categories(categories)

    def inapplicable(self, sample: EditSample) -> str | None:
        """Where no part can say anything."""
        reasons = {name: scorer.inapplicable(sample) for name, scorer in self._scorers.items()}
        return _no_part(reasons) if all(reasons.values()) else None

    def left_out(self, sample: EditSample) -> dict[str, str]:
        """The parts that are not applicable, and what the others leave out of theirs."""
        found: dict[str, str] = {}
        for name, scorer in self._scorers.items():
            if reason := scorer.inapplicable(sample):
                found[name] = reason
            else:
                found |= {f"{name}.{inner}": why for inner, why in scorer.left_out(sample).items()}
        return found

    def policy_rules(self, language: Language) -> str:
        """Those of all parts, each once."""
        rules = [scorer.policy_rules(language) for scorer in self._scorers.values()]
        return "\n\n".join(dict.fromkeys(filter(None, rules)))

    def prompt_agrees(self, template: str) -> None:
        """With every part."""
        for scorer in self._scorers.values():
            scorer.prompt_agrees(template)

    def check_texts_suffice(self) -> None:
        """Refuses parts that score no texts."""
        for name, scorer in self._scorers.items():
            if not isinstance(scorer, CompletionScorer):
                raise ConfigError(
                    f"part {name!r} of CombinedScorer scores edits, and here there are texts alone: leave it out, or "
                    "name a CompletionScorer such as VQAReward or FormatReward"
                )
            scorer.check_texts_suffice()

    def judge_calls(self, sample: EditSample) -> int:
        """Those of the parts that can say anything."""
        parts = [scorer for scorer in self._scorers.values() if scorer.inapplicable(sample) is None]
        return sum(scorer.judge_calls(sample) for scorer in parts)

    def identity(self) -> dict[str, Any]:
        """Every part's, with its name and its share of the whole."""
        parts = [
            {"name": name, "weight": self._weights[name], "scorer": scorer.identity()}
            for name, scorer in self._scorers.items()
        ]
        return super().identity() | {"params": {"parts": parts}}

    def prompt_versions(self) -> dict[str, str]:
        """Those of all parts."""
        parts = self._scorers.values()
        return {version: sha256 for part in parts for version, sha256 in part.prompt_versions().items()}

    def load(self) -> None:
        """Builds the judge, if any part asks it."""
        if self._turns:
            return
        for scorer in self._scorers.values():
            scorer.load()
        self._turns = {name: threading.Semaphore(scorer.max_concurrency) for name, scorer in self._scorers.items()}

    def question(self, sample: EditSample) -> Any:
        """What each part asks."""
        return [scorer.inapplicable(sample) or scorer.question(sample) for scorer in self._scorers.values()]

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, in order."""
        columns = {name: self._score_part(name, scorer, batch) for name, scorer in self._scorers.items()}
        rows = zip(*columns.values(), strict=True)
        return [self._combine(dict(zip(columns, row, strict=True))) for row in rows]

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        """One verdict a text, in order."""
        columns = {
            name: scorer.score_completions(batch)
            for name, scorer in self._scorers.items()
            if isinstance(scorer, CompletionScorer)
        }
        assert len(columns) == len(self._scorers), "check_texts_suffice comes first"
        rows = zip(*columns.values(), strict=True)
        return [self._combine(dict(zip(columns, row, strict=True))) for row in rows]

    def _score_part(self, name: str, scorer: Scorer, batch: list[EditedSample]) -> list[Verdict]:
        reasons = [scorer.inapplicable(edit.sample) for edit in batch]
        edits = [edit for edit, reason in zip(batch, reasons, strict=True) if reason is None]
        size = scorer.batch_size
        with self._turns[name]:
            pieces = [scorer.score(edits[start : start + size]) for start in range(0, len(edits), size)]
        scored = chain.from_iterable(pieces)
        return [failed(Status.NOT_APPLICABLE, reason) if reason else next(scored) for reason in reasons]

    def _combine(self, verdicts: dict[str, Verdict]) -> Verdict:
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
        )

    def _conclusion(self, verdicts: dict[str, Verdict]) -> tuple[Status, float | None, str | None]:
        """Status, score and reason of the whole."""
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


def _dimensions(verdicts: dict[str, Verdict]) -> dict[str, float | None]:
    named: dict[str, float | None] = {}
    for name, one in verdicts.items():
        named[name] = one.score
        named |= {f"{name}.{dimension}": value for dimension, value in one.dimensions.items()}
    return named
