"""An edit to judge, and scorers whose judge answers from a script."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from PIL import Image

from src.config import ModelConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.models.vlm import prompts
from src.models.vlm.prompts import Language
from src.models.vlm.question import Question
from src.registry import resolve
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.core.scorer import EditedSample, Scorer, ScorerSetting

SOURCE = Image.new("RGB", (16, 16), "red")
EDITED = Image.new("RGB", (16, 16), "blue")
REFERENCE = Image.new("RGB", (16, 16), "green")

Made = TypeVar("Made", bound=JudgedScorer)


def lazy(image: Image.Image) -> LazyImage:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return LazyImage.from_bytes(buffer.getvalue())


def sample(instruction: str = "tip it over", **changes: Any) -> EditSample:
    fields: dict[str, Any] = {"rationale": "tea runs out", "reference": lazy(REFERENCE), **changes}
    return EditSample(instruction, 0, "物理", instruction, "a red cup", lazy(SOURCE), **fields)


def edit(*, completion: str | None = None, **changes: Any) -> EditedSample:
    return EditedSample(sample(**changes), SOURCE, EDITED, completion)


def build_scorer(section: ModelConfig, setting: ScorerSetting) -> Scorer:
    """The scorer that a config names, as a run makes it."""
    return resolve(section, Scorer, "scorer")(section.params, setting)  # type: ignore[type-abstract]


def judged(
    scorer_class: type[Made],
    script: dict[str, list[Any]] | list[str],
    *,
    judge: str = "ScriptedJudge",
    language: Language = "en",
    **params: Any,
) -> Made:
    """A loaded scorer, with a script for `ScriptedJudge` or, as a list, replies for `TiringJudge`."""
    replies = {"scores": script} if isinstance(script, list) else {"script": script}
    name = "TiringJudge" if isinstance(script, list) else judge
    handle = JudgeHandle(ModelConfig(class_path=f"tests.scripted_judge.{name}", params=replies))
    scorer = scorer_class(params, ScorerSetting(handle, language=language))
    scorer.load()
    return scorer


def asked(scorer: JudgedScorer) -> list[list[Question]]:
    """Every call that the scorer's judge has had."""
    return scorer.setting.judge.model.asked  # type: ignore[union-attr]


@contextmanager
def prompts_in(folder: Path) -> Iterator[None]:
    """Prompts are read from there instead of `prompts/`."""
    caches = (prompts.load_prompt, prompts._environment)
    try:
        with patch.object(prompts, "PROMPTS_FOLDER", folder):
            for cache in caches:
                cache.cache_clear()
            yield
    finally:
        for cache in caches:
            cache.cache_clear()
