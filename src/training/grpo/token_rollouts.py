"""`TokenRollouts`: the completions of a policy that writes pictures as tokens, drawn under their grammars.

TRL (1.16) has a policy's completions made elsewhere by `rollout_func`, which gets the prompts of a generation and gives
back token ids, their log-probabilities, and `env_mask`: 0 for a token that is not trained, 1 for one that is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pydantic

from src.models.base import ModelParams
from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.edit_writer import EditWriter
from src.models.tokens.prompt import Codes
from src.models.tokens.sampling import Completion, SamplingSettings, TokenRequest, sample
from src.pipeline.keys import sample_seed
from src.training.grpo.present_policy import present_policy
from src.training.tasks.example import Example

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import GRPOTrainer

TokenKind = Literal["all", "text", "picture"]
KEPT_SOURCES = 4096
"""Sources whose codes are kept: the prompts of an epoch, or of its last part, are met again in the next."""


class TrainedTokens(ModelParams):
    """Some steps of a training, and what is trained in them."""

    tokens: TokenKind
    steps: int = pydantic.Field(ge=1)


def trained_at(step: int, schedule: TokenKind | Sequence[TrainedTokens]) -> TokenKind:
    """What is trained in a step, counted from 0; a list of steps begins anew when it is through."""
    if isinstance(schedule, str):
        return schedule
    place = step % sum(part.steps for part in schedule)
    for part in schedule:
        if place < part.steps:
            return part.tokens
        place -= part.steps
    raise AssertionError("the place is within the schedule")


def trained_mask(grammar: CompletionGrammar, tokens: Sequence[int], kind: TokenKind) -> list[int]:
    """1 for each token of a completion that was chosen and is of the kind that is trained, 0 for all others."""
    chosen, codes = grammar.is_choice(tokens), grammar.is_code(tokens)
    return [
        int(choice and (kind == "all" or is_code == (kind == "picture")))
        for choice, is_code in zip(chosen, codes, strict=True)
    ]


class TokenRollouts:
    """Draws completions with seeds of their own: the same in a resumed run, and whatever process draws them.

    Args:
        writer: Writes prompts and grammars.
        schedule: Which tokens are trained.
        seed: The training's.
        temperature: Of the draws.
        batch_size: How many completions are drawn at once; None draws all of a process's generation.
    """

    def __init__(
        self,
        writer: EditWriter,
        schedule: TokenKind | Sequence[TrainedTokens],
        seed: int,
        temperature: float,
        batch_size: int | None = None,
    ) -> None:
        self._writer, self._schedule, self._seed, self._batch_size = writer, schedule, seed, batch_size
        self._settings = SamplingSettings(temperature)
        self._examples: Mapping[str, Example] = {}
        self._sources: OrderedDict[str, Codes] = OrderedDict()
        self._step, self._generation = -1, 0

    def rows(self, examples: Sequence[Example]) -> Dataset:
        """One row for each example: `prompt`, a conversation in which `name` is the example's id, and `example_id`.

        No picture is among them: TRL would have its processor make another prompt.
        """
        from datasets import Dataset

        self._examples = {example.example_id: example for example in examples}
        prompts = [[{"role": "user", "content": example.request, "name": example.example_id}] for example in examples]
        return Dataset.from_dict({"prompt": prompts, "example_id": [example.example_id for example in examples]})

    def request(self, example: Example, seed: int = 0) -> TokenRequest:
        """The prompt of an example and the grammar of its completions."""
        return self._writer.request(self._source(example), example.request, seed)

    def grammar(self, example: Example) -> CompletionGrammar:
        """What the completions of an example obey."""
        source = self._source(example)
        return self._writer.grammar(len(source), len(source[0]))

    def text(self, thought: Sequence[int]) -> str:
        """The words of a thought."""
        words: str = self._writer.prompts.tokenizer.decode(list(thought))
        return words

    def _source(self, example: Example) -> Codes:
        key = example.source_sha256
        if key not in self._sources:
            self._sources[key] = self._writer.codec.encode(example.images[0].decode())
        self._sources.move_to_end(key)
        while len(self._sources) > KEPT_SOURCES:
            self._sources.popitem(last=False)
        return self._sources[key]

    def __call__(self, prompts: list[Any], trainer: GRPOTrainer) -> dict[str, list[Any]]:
        """What TRL's `rollout_func` gives back for the prompts of this process."""
        step = trainer.state.global_step
        self._generation = self._generation + 1 if step == self._step else 0
        self._step = step
        first = trainer.accelerator.process_index * len(prompts)
        requests = [
            self.request(self._examples[prompt[-1]["name"]], self._draw_seed(first + row))
            for row, prompt in enumerate(prompts)
        ]
        completions = self._drawn(requests, trainer)
        kind = trained_at(step, self._schedule)
        return {
            "prompt_ids": [list(request.prompt) for request in requests],
            "completion_ids": [list(completion.tokens) for completion in completions],
            "logprobs": [list(completion.log_probabilities) for completion in completions],
            "env_mask": [
                trained_mask(request.grammar, completion.tokens, kind)
                for request, completion in zip(requests, completions, strict=True)
            ],
        }

    def _draw_seed(self, row: int) -> int:
        return sample_seed(self._seed, f"step {self._step} generation {self._generation} row {row}")

    def _drawn(self, requests: Sequence[TokenRequest], trainer: GRPOTrainer) -> list[Completion]:
        from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

        size = self._batch_size or len(requests)
        is_sharded = trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled()
        completions: list[Completion] = []
        with present_policy(trainer) as policy, _as_sampler(policy), trainer.accelerator.autocast():
            for start in range(0, len(requests), size):
                drawn = requests[start : start + size]
                completions += sample(policy, drawn, self._settings, synced=is_sharded)
        return completions


@contextmanager
def _as_sampler(policy: Any) -> Iterator[None]:
    """Without what a model does in training alone, and without the settings of sampling that are stored with it."""
    from transformers import GenerationConfig

    base = getattr(policy, "get_base_model", lambda: policy)()
    training, stored = [module for module in policy.modules() if module.training], base.generation_config
    policy.eval()
    base.generation_config = GenerationConfig()
    try:
        yield
    finally:
        base.generation_config = stored
        for module in training:
            module.training = True
