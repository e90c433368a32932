"""`TokenEditRewards`: each picture that a token editor has drawn is decoded, and judged beside the original source."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from src.errors import ConfigError, DataError, ModelError
from src.models.diffusion.implementations.token_decoder import TokenDecoder
from src.models.tokens.checkpoint import checkpoint_folder, stored_config, stored_vocabulary
from src.models.tokens.drawn_codes import DrawnCodes
from src.models.tokens.edit_writer import EditWriter
from src.models.tokens.frozen_codec import freeze_codec, keep_codec
from src.models.tokens.picture_codec import PictureCodec
from src.models.tokens.picture_grammar import GrammarError
from src.training.dataset import NAMED
from src.training.grpo.edit_pipeline import RewardRequest
from src.training.grpo.edit_rewards import EditRewards
from src.training.grpo.reward_function import RewardSetting
from src.training.grpo.rollout import CompletionOutcome, ParsedCompletion, Rollout
from src.training.grpo.settings import grpo_config
from src.training.grpo.token_lengths import TokenLengths
from src.training.grpo.token_rollouts import TokenRollouts
from src.training.grpo.token_trainer import TokenScoring, token_trainer
from src.training.tasks.base import Task
from src.training.tasks.example import Example

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DrawnCompletion(ParsedCompletion):
    """A completion with the codes of its picture."""

    codes: DrawnCodes = field(default_factory=partial(DrawnCodes, ()))


class TokenEditRewards(EditRewards):
    """Rewards completions by the score of their pictures, which the frozen VQ-VAE of the policy decodes.

    The judge sees the source as it is in the data, never what the VQ-VAE makes of it.

    Raises:
        ConfigError: on construction, for anything in the config that could not run.
        ModelError: on construction, when weights are missing.
    """

    LOADS_WHOLE_POLICY: ClassVar[bool] = True
    """While transformers (5.23) loads a VQ-VAE, it needs the shapes of its weights, which ZeRO-3 has flattened."""

    def __init__(self, task: Task, setting: RewardSetting) -> None:
        super().__init__(task, setting)
        if task.rules:
            raise ConfigError(
                f"scorer: {setting.config.scorer.class_path} rewards the form of a policy's text, and has rules that a "
                "token editor cannot be told; name a scorer of pictures"
            )
        self._form = task.params
        self._arguments = grpo_config(setting.config.training)
        self._rollouts: TokenRollouts | None = None
        self._scoring: TokenScoring | None = None

    def rewardable(self, examples: Sequence[Example]) -> list[Example]:
        """Leaves out as well what has no room in the policy's positions.

        Raises:
            ConfigError: `max_completion_length` is below the longest completion.
            DataError: nothing is left.
        """
        policy = self.setting.config.policy
        rewardable = super().rewardable(examples)
        lengths = TokenLengths.stored(policy.model, policy.revision, self._form)
        return rewardable if lengths is None else self._with_room(rewardable, lengths)

    def _with_room(self, examples: Sequence[Example], lengths: TokenLengths) -> list[Example]:
        kept, left_out, longest = [], [], 0
        for example in examples:
            try:
                found = lengths.of(example)
            except ModelError as error:
                left_out.append(f"{example.example_id}: {error}")
                continue
            if (total := found.prompt + found.completion) > (room := lengths.positions):
                left_out.append(f"{example.example_id}: {total} tokens, and the policy has {room} positions")
                continue
            kept.append(example)
            longest = max(longest, found.completion)
        if left_out:
            reasons = "; ".join(left_out[:NAMED])
            if not kept:
                raise DataError(f"no example has room in the policy: lower task.params.image_area or grid: {reasons}")
            logger.warning("%d examples have no room in the policy and are left out: %s", len(left_out), reasons)
        if longest > (most := int(self._arguments.max_completion_length or 0)):
            raise ConfigError(
                f"training.grpo.max_completion_length: {most}, and a completion has up to {longest} tokens, all of "
                f"which its grammar demands; set it to {longest}"
            )
        return kept

    def load(self) -> None:
        """Loads the VQ-VAE and the judge."""
        super().load()
        policy, form = self.setting.config.policy, self._form
        import transformers

        folder = checkpoint_folder(policy.model, policy.revision)
        vocabulary = stored_vocabulary(stored_config(str(folder), None) or {})
        tokenizer = transformers.Emu3Processor.from_pretrained(folder).tokenizer
        own = self._decoder.codec
        codec = PictureCodec(own.vqvae, own.processor, form.image_area)
        writer = EditWriter(codec, form.prompts(tokenizer, vocabulary), form.grid)
        self._scoring = TokenScoring(vocabulary, form.thinking_tokens, form.softmax)
        self._rollouts = TokenRollouts(
            writer, form.trained_tokens, self._settings.seed, self._arguments.temperature, form.batch_size
        )

    @property
    def _decoder(self) -> TokenDecoder:
        found: TokenDecoder = self.pipeline.editors[0].model  # type: ignore[attr-defined]
        return found

    @property
    def rollouts(self) -> TokenRollouts:
        """What draws the completions."""
        assert self._rollouts is not None, "load() must be called before the first completion"
        return self._rollouts

    def take_policy(self, policy: Any) -> None:
        """Lets its VQ-VAE, which computes in a copy, be sharded and stored with the rest."""
        freeze_codec(policy.model.vqmodel)

    def complete_saved(self, folder: Path) -> None:
        """Puts back what the trainer has rounded or left out of the VQ-VAE, whose codes the policy was trained with."""
        policy = self.setting.config.policy
        keep_codec(checkpoint_folder(policy.model, policy.revision), folder)

    def prompt_rows(self, examples: Sequence[Example], processor: Any) -> Dataset:
        """Returns rows whose prompts name the examples, of which the rollouts make token ids."""
        return self.rollouts.rows(examples)

    def policy_trainer(self, base: Any) -> Any:
        """Returns what builds a trainer that draws, and scores, completions under their grammars."""
        assert self._scoring is not None, "load() must be called before the trainer is built"
        warnings.filterwarnings("ignore", "You are using 'rollout_func'", UserWarning)
        return partial(token_trainer(base, self._scoring), rollout_func=self.rollouts)

    def before_rewards(self, rollouts: Sequence[Rollout]) -> None:
        """Reads the codes of each completion from its token ids; its text is the thought alone."""
        thoughts = [self._read(rollout) for rollout in rollouts]
        if self._form.thinking_tokens:
            self.count({"tokens/thought": sum(thoughts) / len(thoughts)})

    def _read(self, rollout: Rollout) -> int:
        """Returns the number of tokens of the thought."""
        assert rollout.parsed is not None, "every text is a thought"
        ids, grammar = rollout.parsed.completion_ids, self.rollouts.grammar(rollout.example)
        try:
            codes, thought = grammar.codes(ids), grammar.thought(ids)
        except GrammarError as error:
            rollout.parsed, rollout.problem = None, str(error)
            return 0
        rollout.completion = text = self.rollouts.text(thought)
        drawn = DrawnCodes(tuple(map(tuple, codes)))
        rollout.parsed = DrawnCompletion(rollout.example, text, text, ids, drawn)
        return len(thought)

    def outcomes(self, parsed: Sequence[ParsedCompletion]) -> list[CompletionOutcome]:
        """Decodes and judges what is not in the record yet; an edit is known again by its codes."""
        requests = []
        for one in parsed:
            assert isinstance(one, DrawnCompletion), "before_rewards() comes first"
            sample = one.example.subject
            requests.append(RewardRequest(sample, sample.source, one.example.request, one.completion, one.codes))
        return self.judged(requests)
