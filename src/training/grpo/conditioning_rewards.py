"""`ConditioningRewards`: each completion is encoded by the policy's present weights, painted by the frozen transformer
of the editor, and judged by the scorer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from src.data.verdict import Status, Verdict, failed
from src.errors import ConfigError, ModelError
from src.models.diffusion.conditioning import (
    CompletionError,
    Conditioner,
    Conditioning,
    ConditioningError,
    ConditioningRequest,
    content_of,
    pipeline_template,
    require_conditionable,
    system_text,
)
from src.models.diffusion.pipeline_index import stored_index
from src.models.diffusion.qwen_pipeline import QwenPipelineModel
from src.models.diffusion.thinking import needs_own_encoder, policy_processor, require_same_reader
from src.models.weights import pinned
from src.record.rows import failed_edit
from src.registry import resolve
from src.training.config import TrainingConfig
from src.training.grpo.edit_pipeline import RewardRequest
from src.training.grpo.edit_rewards import EditRewards
from src.training.grpo.present_policy import present_policy
from src.training.grpo.reward_function import RewardSetting
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion, Rollout
from src.training.tasks.base import Task
from src.training.tasks.example import Example

if TYPE_CHECKING:
    from trl import GRPOTrainer


@dataclass(frozen=True)
class EncodedCompletion(ParsedCompletion):
    """A completion with what the transformer is given for it, or why there is nothing."""

    conditioning: Conditioning | ConditioningError = field(default_factory=ConditioningError)


class ConditioningRewards(EditRewards):
    """Rewards completions by the score of the edits that are painted from them.

    The pass that encodes them is made once a generation, in all processes at the same time and as often in each: a
    policy that is sharded is gathered for it.

    `checked_system` has found the config sound before one is made.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    def __init__(self, task: Task, setting: RewardSetting) -> None:
        super().__init__(task, setting)
        self._params = task.params
        self._trainer: GRPOTrainer | None = None
        self._conditioner: Conditioner | None = None

    def load(self) -> None:
        """Loads the editor and the judge; the editor's text encoder is freed where nothing is left to it."""
        super().load()
        self._conditioner = Conditioner(self._editor.pipe, self._params.max_tokens)
        if not needs_own_encoder(self._params.negative_prompt_from, self._editor.guidance):
            for editors in self.pipeline.editors:
                editors.model.pipe.text_encoder = None  # type: ignore[attr-defined]

    @property
    def _editor(self) -> QwenPipelineModel:
        """One of the equal models of this process that paint."""
        found: QwenPipelineModel = self.pipeline.editors[0].model  # type: ignore[attr-defined]
        return found

    def policy_processor(self) -> Any:
        """Returns the processor of the editor's pipeline, under whose own prompt the policy writes."""
        return policy_processor(self._editor.pipe)

    def as_policy_sees(self, image: Image.Image) -> Image.Image:
        """Returns a picture as the pipeline shows it to its text encoder."""
        [shown] = self._editor.shown_to_encoder(image)
        return shown

    def take_trainer(self, trainer: GRPOTrainer) -> None:
        """Takes note of the trainer, whose policy encodes the completions."""
        self._trainer = trainer

    def before_rewards(self, rollouts: Sequence[Rollout]) -> None:
        """Encodes all completions by the policy's present weights."""
        assert self._trainer is not None, "take_trainer() must be called before the first reward"
        started = time.perf_counter()
        ends = {*self._trainer.eos_token_ids}
        examples = {one.example.example_id: one.example for one in rollouts}
        shown = {name: self._shown(one) for name, one in examples.items()}
        with present_policy(self._trainer) as encoder:
            for rollout in rollouts:
                self._encode(rollout, shown[rollout.example.example_id], encoder, ends)
        found = [one.parsed.conditioning for one in rollouts if isinstance(one.parsed, EncodedCompletion)]
        encoded = [one for one in found if isinstance(one, Conditioning)]
        self.count({"seconds/condition": time.perf_counter() - started})
        if encoded:
            self.count(
                {
                    "conditioning/tokens": sum(len(one.embeds) for one in encoded) / len(encoded),
                    "conditioning/dropped_tokens": float(sum(one.dropped for one in encoded)),
                }
            )

    def _shown(self, example: Example) -> tuple[Image.Image, ...]:
        return tuple(shown for image in example.images for shown in self._editor.shown_to_encoder(image.decode()))

    def _encode(self, rollout: Rollout, pictures: tuple[Image.Image, ...], encoder: Any, ends: set[int]) -> None:
        """Gives a rollout its conditioning, by as many passes as any other: processes share a sharded policy."""
        words = self._editor.plain(rollout.example.request)
        sampled = rollout.parsed.completion_ids if rollout.parsed is not None else ()
        request = ConditioningRequest(words, pictures, content_of(sampled, ends))
        found = self._encoded(request, encoder)
        if self._editor.guidance > 1 and self._params.negative_prompt_from == "present":
            negative = self._encoded(ConditioningRequest(self._editor.params.negative_prompt, pictures), encoder)
            if isinstance(found, Conditioning):
                found = negative if isinstance(negative, ConditioningError) else replace(found, negative=negative)
        if isinstance(found, CompletionError):
            rollout.parsed, rollout.problem = None, str(found)
        if (parsed := rollout.parsed) is not None:
            about = (parsed.example, parsed.completion, parsed.text, parsed.completion_ids)
            rollout.parsed = EncodedCompletion(*about, found)

    def _encoded(self, request: ConditioningRequest, encoder: Any) -> Conditioning | ConditioningError:
        """Makes one pass, also where nothing comes of it."""
        assert self._conditioner is not None, "load() must be called before the first reward"
        try:
            return self._conditioner.encode(request, encoder, self._editor.pipe.transformer.dtype)
        except ConditioningError as error:
            self._conditioner.pass_over(replace(request, instruction="", completion=()), encoder)
            return error

    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        """Edits and judges what is not in the record yet, from every noise, and takes the means."""
        requests = [
            RewardRequest(
                one.example.subject,
                one.example.subject.source,
                one.example.request,
                one.completion,
                one.conditioning,
                noise,
            )
            for one in parsed
            if isinstance(one, EncodedCompletion) and isinstance(one.conditioning, Conditioning)
            for noise in range(self._params.noise_seeds)
        ]
        judged = iter(self.judged(requests))
        return [self._outcome(one, judged) for one in parsed]

    def _outcome(self, one: ParsedCompletion, judged: Iterator[CompletionOutcome]) -> CompletionOutcome:
        assert isinstance(one, EncodedCompletion), "before_rewards() comes first"
        if isinstance(one.conditioning, ConditioningError):
            return CompletionOutcome(failed_edit(str(one.conditioning)))
        return averaged([next(judged) for _ in range(self._params.noise_seeds)])


def averaged(outcomes: Sequence[CompletionOutcome]) -> CompletionOutcome:
    """Returns the mean over the noises of a completion; without a score for each of them there is none.

    A mean over some of the noises would be compared with means of others over all. The record and the pages have the
    edit of the first.
    """
    first = outcomes[0]
    verdicts = [one.verdict for one in outcomes]
    if len(verdicts) == 1:
        return first
    for verdict in verdicts:
        if verdict.status is not Status.SCORED:
            return replace(first, verdict=failed(verdict.status, verdict.reason or ""))
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    names = dict.fromkeys(name for verdict in verdicts for name in verdict.dimensions)
    dimensions = {name: _mean([verdict.dimensions.get(name) for verdict in verdicts]) for name in names}
    mean = sum(scores) / len(scores)
    return replace(first, verdict=Verdict(Status.SCORED, mean, dimensions, model=first.verdict.model))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def checked_system(config: TrainingConfig) -> str:
    """Checks that policy and editor belong together, and returns the system text of the editor's pipeline.

    Raises:
        ConfigError: settings that cannot be together.
        ModelError: the policy is not the text encoder of this editor, or weights are missing.
    """
    if config.diffusion_model is None:
        raise ConfigError("this task paints: add diffusion_model.class_path (and params)")
    editor_class = resolve(config.diffusion_model, object, "diffusion_model")
    if not issubclass(editor_class, QwenPipelineModel):
        raise ConfigError(
            "diffusion_model.class_path: the policy is the text encoder of the model that paints, which only "
            f"QwenImageEditModel and QwenImageModel can be given anew (got {editor_class.__name__})"
        )
    params: Any = editor_class.Params(**config.diffusion_model.params)  # type: ignore[misc]
    for reason in _contradictions(config, params):
        raise ConfigError(reason)
    index = stored_index(params.model_name, params.revision)
    require_conditionable(index["_class_name"], params.model_name)
    _require_text_encoder(config, params)
    return system_text(pipeline_template(index["_class_name"]))


def _contradictions(config: TrainingConfig, params: Any) -> Iterator[str]:
    if config.training.engine == "ray":
        yield "training.engine: ray: the text encoder is the policy itself, which is in this process; leave engine out"
    if params.think:
        yield "diffusion_model.params.think: the policy thinks already; leave it out"
    if params.offload != "none":
        yield "diffusion_model.params.offload: parts that are moved about cannot be given a conditioning; set none"
    if config.policy.image_max_side is not None:
        yield (
            "policy.image_max_side: the policy sees what the editor's pipeline shows to its text encoder; set "
            "diffusion_model.params.vl_resolution or condition_resolution instead"
        )
    if config.training.grpo.get("use_vllm"):
        yield "training.grpo.use_vllm: it is not proven that vLLM samples under the pipeline's prompt; leave it out"


def _require_text_encoder(config: TrainingConfig, params: Any) -> None:
    from transformers import AutoConfig

    try:
        own = AutoConfig.from_pretrained(
            params.model_name, subfolder="text_encoder", **pinned(params.model_name, params.revision)
        )
        policy = AutoConfig.from_pretrained(config.policy.model, **pinned(config.policy.model, config.policy.revision))
    except (OSError, ValueError) as error:
        raise ModelError(f"the config of policy or text encoder cannot be read ({error})") from error
    require_same_reader(policy, own, f"policy.model: {config.policy.model}")
