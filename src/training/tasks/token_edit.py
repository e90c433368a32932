"""`TokenEditTask`: the policy is a token editor itself; it reads a picture as tokens and writes the edit as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pydantic

from src.config import ModelConfig
from src.data.image import ImageError
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.errors import ConfigError, ModelError
from src.models.tokens.checkpoint import require_token_editor
from src.models.tokens.edit_writer import EditFormParams
from src.training.grpo.token_rollouts import TokenKind, TrainedTokens
from src.training.grpo.token_trainer import SoftmaxName
from src.training.tasks.base import Task
from src.training.tasks.example import Example, Keep, streamed_examples
from src.training.tasks.rewrite import kept_sample

if TYPE_CHECKING:
    from src.training.config import TrainingConfig
    from src.training.grpo.reward_function import RewardFunction, RewardSetting
    from src.training.held_out.gain import Gain
    from src.training.held_out.token_editor import TokenEditorPolicy

DECODER = "src.models.diffusion.implementations.token_decoder.TokenDecoder"


class TokenEditTask(Task[EditSample]):
    """Source and instruction in, codes of the edit out, with a thought in front of them where that is asked for.

    Every completion is a picture: tokens are drawn under the grammar of one. EARL (arXiv 2508.01119) trains so.
    """

    class Params(EditFormParams):
        """In which form edits are written, and what of them is trained."""

        softmax: SoftmaxName = "allowed"
        """`allowed`: a token's probability is the one with which it was drawn, among those that might have been.
        `separate`, as EARL has it: that of a code among all codes, that of text among all tokens but codes."""
        trained_tokens: TokenKind | Annotated[list[TrainedTokens], pydantic.Field(min_length=1)] = "all"
        """`all`, `text` (the thought, and where it ends) or `picture` (the codes); or a list of these with numbers of
        steps, again and again: `[{tokens: text, steps: 10}, {tokens: picture, steps: 10}]`."""
        batch_size: int | None = pydantic.Field(None, ge=1)
        """How many completions a process draws at once; None draws all of a generation."""

    def completed(self, config: TrainingConfig) -> TrainingConfig:
        """Adds the decoder of the policy as the editor, and keeps an adapter out of it.

        Raises:
            ConfigError: settings that have no meaning here, or contradict each other.
            ModelError: the folder of the policy holds no token editor of transformers' layout.
        """
        for reason in self._contradictions(config):
            raise ConfigError(reason)
        policy = config.policy
        if Path(policy.model).is_dir():
            try:
                require_token_editor(policy.model, policy.revision)
            except ModelError as error:
                raise ModelError(f"policy.model: {error}") from error
        decoder = {"model_name": policy.model, "revision": policy.revision}
        editor = ModelConfig(class_path=DECODER, params=decoder)
        return config.model_copy(update={"diffusion_model": editor, "policy": policy.of_token_editor()})

    def _contradictions(self, config: TrainingConfig) -> Iterator[str]:
        policy, grpo = config.policy, config.training.grpo
        if config.diffusion_model is not None:
            yield "diffusion_model: the policy of TokenEditTask is the editor itself; leave the section out"
        if not self.params.thinking_tokens and self._trains_text:
            yield (
                "task.params.trained_tokens: without thinking_tokens a completion has no text to train; set "
                "thinking_tokens, or trained_tokens: all"
            )
        if config.training.engine == "ray":
            yield "training.engine: ray: the editor is the policy itself, which is in this process; leave engine out"
        if policy.image_max_side is not None:
            yield "policy.image_max_side: how much of a picture the policy sees is task.params.image_area; set that"
        if not policy.freeze_vision_tower:
            yield "policy.freeze_vision_tower: false: the VQ-VAE is never trained; leave it out"
        if policy.trust_remote_code:
            yield "policy.trust_remote_code: no code that comes with a token editor is run; leave it out"
        if policy.lora is not None and policy.lora.lora_dropout:
            yield "policy.lora.lora_dropout: completions are drawn and scored without dropout; leave it out"
        if config.evaluation.max_new_tokens is not None:
            yield "evaluation.max_new_tokens: the grammar of a picture decides its length; leave it out"
        for name, reason in _ELSEWHERE.items():
            if grpo.get(name) not in _WITHOUT_EFFECT.get(name, (None, False)):
                yield f"training.grpo.{name}: {reason}; leave it out"

    @property
    def _trains_text(self) -> bool:
        trained = self.params.trained_tokens
        return trained == "text" or (isinstance(trained, list) and any(part.tokens == "text" for part in trained))

    @property
    def policy_at_work(self) -> TokenEditorPolicy:
        """How the policy edits outside the training."""
        from src.training.held_out.token_editor import TokenEditorPolicy

        form = self.params.model_dump(include=set(EditFormParams.model_fields), exclude_defaults=True)
        return TokenEditorPolicy(form)

    def examples(self, path: str, selection: Selection, keep: Keep) -> Iterator[Example[EditSample] | BadSample]:
        """Streams the samples of a benchmark file; one without a source, or with a bad picture, is a bad sample."""
        return streamed_examples(load_samples(path, selection), partial(self._example, keep), attrgetter("sample_id"))

    def _example(self, keep: Keep, sample: EditSample) -> Example[EditSample]:
        kept = kept_sample(sample, keep)
        if kept.source is None:
            raise ImageError("it has no source picture, and a token editor edits one")
        return Example(
            example_id=sample.sample_id,
            source_sha256=sample.source_key(kept.source.read_bytes()),
            category=sample.category,
            request=sample.instruction,
            system="",
            user=sample.instruction,
            images=(kept.source,),
            subject=kept,
        )

    def read(self, completion: str) -> str:
        """Returns the completion: every text is a thought."""
        return completion

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        """Builds rewards by the scorer of the config, on the picture that a completion holds."""
        from src.training.grpo.token_edit_rewards import TokenEditRewards

        return TokenEditRewards(self, setting)

    def check_evaluation(self, config: TrainingConfig, max_new_tokens: int) -> None:
        """Plans the benchmark's runs before and after training."""
        from src.training.held_out.edits import check_evaluation

        check_evaluation(config, self.policy_at_work, max_new_tokens)

    def check_held_out(self, config: TrainingConfig, examples: Sequence[Example[EditSample]]) -> None:
        """Asks the scorers of these runs whether they can score the examples."""
        from src.training.held_out.edits import check_held_out

        check_held_out(config, self.policy_at_work, examples)

    def gains(self, config: TrainingConfig, examples: Sequence[Example[EditSample]], max_new_tokens: int) -> list[Gain]:
        """Runs the benchmark with the policy as the editor, before and after training."""
        from src.training.held_out.edits import compare_edits

        return compare_edits(config, self.policy_at_work, examples, max_new_tokens)


_ELSEWHERE = {
    "use_vllm": "vLLM writes no pictures (docs/token_editors.md)",
    "use_transformers_continuous_batching": "completions are drawn under a grammar, which it does not know",
    "top_k": "a token's probability would no longer be the one with which it was drawn",
    "top_p": "a token's probability would no longer be the one with which it was drawn",
    "min_p": "a token's probability would no longer be the one with which it was drawn",
    "repetition_penalty": "a token's probability would no longer be the one with which it was drawn",
    "generation_kwargs": "the grammar of a picture decides what is drawn",
    "cache_implementation": "completions are not drawn by TRL",
    "chat_template_kwargs": "the prompt of a token editor has no chat template",
    "cast_lm_head_to_fp32": "the log-probabilities are computed in float32 anyway",
}
"""Fields of `trl.GRPOConfig` that do not suit a token editor, and why."""
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "top_k": (None, 0, -1),
    "top_p": (None, 1, 1.0),
    "min_p": (None, 0, 0.0),
    "repetition_penalty": (None, 1, 1.0),
}
"""Values that change nothing and may stay."""
