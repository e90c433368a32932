"""`CompletionLesson`: a vision-language policy learns to write given completions to the prompts of a task of GRPO."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from src.counted import counted
from src.data.items import text_field
from src.data.sample import BadSample, Unusable
from src.data.sources import read_items
from src.errors import ConfigError, DataError
from src.models.diffusion.qwen_pipeline import QwenPipelineModel
from src.models.diffusion.thinking import policy_processor
from src.models.diffusion.weightless import without_weights
from src.models.plain_text import PlainText
from src.models.vlm.stored_architecture import require_vision_language
from src.models.weights import is_local, pinned
from src.pipeline.scorer_plan import ScorerPlan
from src.registry import resolve
from src.training.config import TrainingConfig, load_training_config
from src.training.dataset import NAMED, ImageStore, copies
from src.training.finetune.config import CompletionData, CompletionFile, FinetuneConfig
from src.training.finetune.lesson import IGNORED, Lesson, TaughtData
from src.training.grpo.conditioning_rewards import checked_system
from src.training.grpo.policy import load_policy
from src.training.policy_check import check_policy
from src.training.prompts import prompt_rows
from src.training.tasks.base import Task
from src.training.tasks.conditioning import ConditioningTask
from src.training.tasks.example import Example, UnparsableCompletion
from src.training.tasks.rewrite import CritiqueTask
from src.training.validate import build_task


@dataclass(frozen=True)
class AnsweredExample:
    """A prompt and the completion that is learned."""

    example: Example
    completion: str


class CompletionLesson(Lesson):
    """Teaches the section `completions` of a config.

    Raises:
        ConfigError: on construction, when the training that follows cannot be read, or its prompts not be made here.
    """

    def __init__(self, config: FinetuneConfig, data: CompletionData) -> None:
        self._policy, self._data, self._seed = config.policy, data, config.training.seed
        following = load_training_config(data.prompts_of)
        if following.data.language != data.language:
            raise ConfigError(
                f"completions.language: {data.language}, and the prompts of {data.prompts_of} are in "
                f"{following.data.language}; set it to that"
            )
        if following.policy.image_max_side != config.policy.image_max_side:
            raise ConfigError(
                f"policy.image_max_side: {config.policy.image_max_side}, and {data.prompts_of} has "
                f"{following.policy.image_max_side}; the policy would be taught on other pictures than it is trained on"
            )
        self._following = following.model_copy(update={"policy": config.policy})
        self._task = _task_of(self._following)

    def check_model(self) -> None:
        """Raises `ModelError` for what is no vision-language model, `ConfigError` for an adapter that does not fit."""
        if not self._policy.trust_remote_code and is_local(self._policy.model):
            require_vision_language(self._policy.model, self._policy.revision)
        check_policy(self._policy)

    def read(self, folder: Path) -> tuple[TaughtData, TaughtData | None]:
        """Reads prompts and completions.

        Raises:
            DataError: a file cannot be read, no completion suits, or a source picture is held out and trained on.
        """
        store = ImageStore(folder)
        parts = [self._answered(file, store, limited=True) for file in self._data.train]
        rows = [
            row
            for file, part in zip(self._data.train, parts, strict=True)
            for row in part.rows
            for _ in range(copies(row.example.example_id, file.coefficient, self._seed))
        ]
        if not rows:
            raise DataError("nothing is left of completions.train: raise a coefficient")
        train = TaughtData(rows, {name: reason for part in parts for name, reason in part.left_out.items()})
        if self._data.held_out is None:
            return train, None
        held_out = self._answered(self._data.held_out, store, limited=False)
        _refuse_overlap(rows, held_out.rows, self._data.held_out.path)
        return train, held_out

    def _answered(self, file: CompletionFile, store: ImageStore, *, limited: bool) -> TaughtData:
        known, left_out = _completions(file.completions)
        rows: list[AnsweredExample] = []
        for item in self._task.examples(file.path, file.selection(self._data, limited=limited), store.keep):
            name = item.sample_id if isinstance(item, BadSample) else item.example_id
            completions = known.pop(name, [])
            for completion in completions:
                if isinstance(item, BadSample):
                    left_out[name] = item.reason
                    continue
                try:
                    self._task.read(completion)
                    rows.append(AnsweredExample(self._as_asked(item), completion))
                except UnparsableCompletion as error:
                    left_out[name] = f"the task could not read its completion: {error}"
                except Unusable as error:
                    left_out[name] = str(error)
        left_out |= dict.fromkeys(known, f"no selected item of {file.path} has this id")
        if not rows:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in [*left_out.items()][:NAMED])
            raise DataError(f"no completion of {file.completions} answers a prompt; the first reasons: {reasons}")
        return TaughtData(rows, left_out)

    def _as_asked(self, example: Example) -> Example:
        """The example with the first attempt that GRPO would show beside its source; raises `Unusable` without one."""
        if not isinstance(self._task, CritiqueTask):
            return example
        if example.subject.preliminary is None:
            raise Unusable(
                "its sample has no first attempt (field preliminary_img), which the policy is to answer; no editor is "
                "asked for one here"
            )
        return replace(example, images=(*example.images, example.subject.preliminary))

    def lines(self, train: TaughtData, held_out: TaughtData | None) -> Iterator[str]:
        """How many completions, and to which task."""
        beside = "" if held_out is None else f", {len(held_out.rows)} held out"
        count = counted(len(train.rows), "completion", "completions")
        yield f"completions: an epoch of {count}{beside}, to the prompts of {type(self._task).__name__}"

    def load(self, number_type: str, checkpoint: Path | None) -> tuple[Any, Any]:
        """The policy as GRPO loads it, and its processor."""
        return load_policy(self._policy, number_type, checkpoint, self._processor)

    @cached_property
    def _painter(self) -> QwenPipelineModel | None:
        """The model under whose own prompt a text encoder writes, without its weights; None for other policies."""
        if not isinstance(self._task, ConditioningTask):
            return None
        section = self._following.diffusion_model
        assert section is not None, "checked_system() has seen it"
        return without_weights(resolve(section, QwenPipelineModel, "diffusion_model"), section.params)  # type: ignore[type-abstract]

    def _as_policy_sees(self, image: Image.Image) -> Image.Image:
        if self._painter is None:
            return image
        [shown] = self._painter.shown_to_encoder(image)
        return shown

    @cached_property
    def _processor(self) -> Any:
        import transformers

        if self._painter is not None:
            return policy_processor(self._painter.pipe)
        return transformers.AutoProcessor.from_pretrained(
            self._policy.model,
            padding_side="left",
            trust_remote_code=self._policy.trust_remote_code,
            **pinned(self._policy.model, self._policy.revision),
        )

    def collate(self, rows: Sequence[Any]) -> Mapping[str, Any]:
        """Prompts padded on the left, as in a rollout of GRPO, then completions padded on the right."""
        import torch
        from trl.data_utils import prepare_multimodal_messages

        processor, tokenizer = self._processor, self._processor.tokenizer
        examples = [replace(row.example, example_id=str(place)) for place, row in enumerate(rows)]
        shown = prompt_rows(examples, self._policy.image_max_side, PlainText([processor]), self._as_policy_sees)
        prompts = processor.apply_chat_template(
            [prepare_multimodal_messages(row["prompt"], row["images"]) for row in shown],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        written = [
            [*tokenizer(row.completion, add_special_tokens=False).input_ids, tokenizer.eos_token_id] for row in rows
        ]
        longest = max(map(len, written))

        def padded(filler: int, of: Sequence[Sequence[int]]) -> Any:
            return torch.tensor([[*ids, *[filler] * (longest - len(ids))] for ids in of])

        ids, is_token = padded(tokenizer.pad_token_id, written), padded(0, [[1] * len(ids) for ids in written])
        answers = {"input_ids": ids, "attention_mask": is_token}
        if "mm_token_type_ids" in prompts:
            answers["mm_token_type_ids"] = torch.zeros_like(ids)
        joined = {name: torch.cat([prompts[name], value], dim=1) for name, value in answers.items()}
        untaught = torch.full_like(prompts["input_ids"], IGNORED)
        return {**prompts, **joined, "labels": torch.cat([untaught, padded(IGNORED, written)], dim=1)}


def _task_of(following: TrainingConfig) -> Task:
    """The task of a training, told the rules that its scorer would tell it."""
    task = build_task(following)
    if isinstance(task, ConditioningTask):
        task.pipeline_system = checked_system(following)
    if following.diffusion_model is not None:
        plan = ScorerPlan(
            following.scorer, following.reward_model, following.prompts, task.language, has_completions=True
        )
        task.rules = plan.scorer.policy_rules(task.language)
    return task


def _completions(path: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The completions of a file by the ids of their prompts, and why rows are left out."""
    known: dict[str, list[str]] = {}
    left_out: dict[str, str] = {}
    for raw in read_items(path):
        fields = raw.fields or {}
        name = str(fields.get("id") or "")
        try:
            if raw.problem:
                raise Unusable(raw.problem)
            if not name:
                raise Unusable("it has no field `id`")
            if not (completion := text_field(fields, "completion")):
                raise Unusable("field `completion` is absent or blank")
        except Unusable as error:
            left_out[name or f"{path} row {raw.index}"] = str(error)
            continue
        known.setdefault(name, []).append(completion)
    return known, left_out


def _refuse_overlap(train: Sequence[AnsweredExample], held_out: Sequence[AnsweredExample], path: str) -> None:
    trained = {row.example.source_sha256: row.example.example_id for row in train}
    shared = [one.example.example_id for one in held_out if one.example.source_sha256 in trained]
    if shared:
        raise DataError(
            f"{counted(len(shared), 'completion')} of completions.held_out ({path}) have a source picture that is "
            f"trained on as well ({', '.join(shared[:NAMED])}): remove them from one of the files"
        )
