"""Held-out questions, answered greedily by the policy before and after training, and scored."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from src.data.image import content_hash
from src.data.questions import VQAQuestion
from src.models.vlm.question import LabelledImage
from src.models.vlm.question import Question as Prompt
from src.models.vlm.trained_policy import TrainedPolicy
from src.pipeline.keys import reply_key
from src.rewards.core.scorer import Completion, CompletionScorer
from src.rewards.core.scoring import scored
from src.training.config import TrainingConfig
from src.training.grpo.precision import policy_precision
from src.training.held_out.gain import Gain, ScoredSample, paired_gain
from src.training.tasks.example import Example

logger = logging.getLogger(__name__)

Answers = dict[str, str | None]
"""The completion of each example, by id; None where the policy failed."""


def compare_answers(
    config: TrainingConfig,
    scorers: Sequence[CompletionScorer],
    examples: Sequence[Example[VQAQuestion]],
    max_new_tokens: int,
) -> list[Gain]:
    """Asks both policies all questions; `evaluation/answers.jsonl` holds the answers and the first scorer's scores.

    Answers are kept as they come, and are not asked for again after a break.

    Args:
        config: The config of a finished training.
        scorers: The scorers of the answers, that of the training first.
        examples: The held-out questions.
        max_new_tokens: The most tokens of an answer.
    """
    folder = config.training.output_dir / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    completions = {
        name: _answers(policy, examples, folder / f"{name}_answers.jsonl")
        for name, policy in _policies(config, max_new_tokens).items()
    }
    scores = [{name: _scores(scorer, examples, answers) for name, answers in completions.items()} for scorer in scorers]
    _write(folder / "answers.jsonl", examples, completions, scores[0])
    return [paired_gain(type(scorer).__name__, **runs) for scorer, runs in zip(scorers, scores, strict=True)]


def _keys(policy: dict[str, Any], examples: Sequence[Example[VQAQuestion]]) -> dict[str, str]:
    """Returns by example id a digest of all that an answer depends on: the policy, the texts and the pictures."""
    identity = TrainedPolicy.identity(policy)
    return {one.example_id: reply_key(identity, one.system, one.user, _hashes(one)) for one in examples}


def _policies(config: TrainingConfig, max_new_tokens: int) -> dict[str, dict[str, Any]]:
    """Returns the params of `TrainedPolicy` for the policy before and after training."""
    own, trained, precision = config.policy, str(config.training.policy_folder), policy_precision(config)
    before = {
        "model_name": own.model,
        "revision": own.revision,
        "trust_remote_code": own.trust_remote_code,
        "dtype": precision.weights,
        "autocast": precision.autocast,
        "image_max_side": own.image_max_side,
        "max_new_tokens": max_new_tokens,
        "batch_size": config.evaluation.batch_size,
    }
    changed = {"adapter": trained} if own.lora is not None else {"model_name": trained, "revision": None}
    return {"before": before, "after": before | changed}


def _answers(policy: dict[str, Any], examples: Sequence[Example[VQAQuestion]], path: Path) -> Answers:
    """Returns the answers that the file has, and asks the policy for the others, which go to the file."""
    keys = _keys(policy, examples)
    known = dict(_stored(path))
    missing = [one for one in examples if keys[one.example_id] not in known]
    if missing:
        with path.open("a", encoding="utf-8") as file:
            for example, text in _ask(policy, missing):
                known[keys[example.example_id]] = text
                # The line break comes first: a kill may have left half a line.
                file.write("\n" + json.dumps([keys[example.example_id], text], ensure_ascii=False))
                file.flush()
    return {name: known.get(key) for name, key in keys.items()}


def _ask(
    policy: dict[str, Any], examples: Sequence[Example[VQAQuestion]]
) -> Iterator[tuple[Example[VQAQuestion], str]]:
    """Yields each answer when it is there; a question that fails has none."""
    logger.info("asking %s %d held-out questions", policy.get("adapter") or policy["model_name"], len(examples))
    model = TrainedPolicy(policy)
    model.load_to_gpu()
    size = model.batch_size
    for start in range(0, len(examples), size):
        batch = examples[start : start + size]
        for example, reply in zip(batch, model.ask([_prompt(one) for one in batch]), strict=True):
            if reply.error is None:
                yield example, reply.text
            else:
                logger.warning("%s has no answer: %s", example.example_id, reply.error)
    model.unload_from_gpu()


def _stored(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                key, text = json.loads(line)
            except ValueError:
                continue
            yield key, text


def _prompt(example: Example[VQAQuestion]) -> Prompt:
    images = tuple(LabelledImage("", image.decode()) for image in example.images)
    return Prompt(example.system, images, example.user)


def _hashes(example: Example[VQAQuestion]) -> list[str]:
    return [content_hash(image.read_bytes()) for image in example.images]


def _scores(scorer: CompletionScorer, examples: Sequence[Example[VQAQuestion]], answers: Answers) -> list[ScoredSample]:
    answered = {name: text for name, text in answers.items() if text is not None}
    truths = {one.example_id: one.subject.answer for one in examples}
    texts = [Completion(text, truths[name]) for name, text in answered.items()]
    verdicts = scored(lambda: scorer.score_completions(texts), list(answered))
    scores = {name: verdict.score for name, verdict in zip(answered, verdicts, strict=True)}
    return [ScoredSample(one.example_id, one.source_sha256, scores.get(one.example_id)) for one in examples]


def _write(
    path: Path,
    examples: Sequence[Example[VQAQuestion]],
    completions: Mapping[str, Answers],
    scored: Mapping[str, list[ScoredSample]],
) -> None:
    """Writes one line for each question: the answer of each policy, and its score."""
    with path.open("w", encoding="utf-8") as file:
        for place, example in enumerate(examples):
            line: dict[str, Any] = {
                "id": example.example_id,
                "category": example.category,
                "question": example.request,
                "answer": example.subject.answer,
            }
            for name, answers in completions.items():
                line[name] = {"completion": answers[example.example_id], "score": scored[name][place].score}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
