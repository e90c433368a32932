"""`ConditioningTask`: the policy is the text encoder of an editor or a text-to-image model, which paints from its
thoughts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

import pydantic

from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.models.base import ModelParams
from src.models.vlm.prompts import with_rules
from src.training.tasks.base import Task
from src.training.tasks.example import Example, Keep, streamed_examples
from src.training.tasks.rewrite import kept_sample

if TYPE_CHECKING:
    from src.training.config import TrainingConfig
    from src.training.grpo.reward_function import RewardFunction, RewardSetting
    from src.training.held_out.gain import Gain
    from src.training.held_out.thinking import ThinkingPolicy


class ConditioningTask(Task[EditSample]):
    """Source and instruction, or a prompt alone, in; thoughts out, from whose hidden states the transformer paints.

    Any completion can be painted, an empty one too: it is the stock prompt.
    """

    class Params(ModelParams):
        """How completions become conditionings and edits."""

        system: str | None = None
        """What the policy is told before picture and instruction, or prompt, when it writes; None is the system text of
        the pipeline, under which every completion is encoded."""
        max_tokens: int | None = pydantic.Field(None, ge=1)
        """The most tokens of a conditioning; the end of a completion that is too long is dropped, never of the prompt.
        None leaves it to the pipeline and the encoder's positions."""
        noise_seeds: int = pydantic.Field(1, ge=1)
        """Each completion is painted from so many noises, the same for all of its group, and rewarded by the mean."""
        negative_prompt_from: Literal["initial", "present"] = "initial"
        """Whose embeddings a negative prompt has: those of the editor's own text encoder, or the present weights'."""

    pipeline_system: str = ""
    """The system text of the editor's pipeline; `rewards`, which is told of the editor, sets it."""

    @property
    def instructions(self) -> str:
        """The system message."""
        return self.pipeline_system if self.params.system is None else str(self.params.system)

    @property
    def policy_at_work(self) -> ThinkingPolicy:
        """How the policy thinks outside the training."""
        from src.training.held_out.thinking import ThinkingPolicy

        shared = {name: getattr(self.params, name) for name in ("max_tokens", "negative_prompt_from")}
        return ThinkingPolicy(with_rules(self.instructions, self.rules), shared)

    def examples(self, path: str, selection: Selection, keep: Keep) -> Iterator[Example[EditSample] | BadSample]:
        """Streams the samples of a benchmark file; one with a picture that cannot be decoded is a bad sample."""
        return streamed_examples(load_samples(path, selection), partial(self._example, keep), attrgetter("sample_id"))

    def _example(self, keep: Keep, sample: EditSample) -> Example[EditSample]:
        kept = kept_sample(sample, keep)
        images = () if kept.source is None else (kept.source,)
        return Example(
            example_id=sample.sample_id,
            source_sha256=sample.source_key(images[0].read_bytes() if images else None),
            category=sample.category,
            request=sample.instruction,
            system=with_rules(self.instructions, self.rules),
            user=sample.instruction,
            images=images,
            subject=kept,
        )

    def read(self, completion: str) -> str:
        """Returns the completion: every text is a thought."""
        return completion

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        """Builds rewards by the scorer of the config, on the picture that is painted from the completion."""
        from src.training.grpo.conditioning_rewards import ConditioningRewards, checked_system

        self.pipeline_system = checked_system(setting.config)
        return ConditioningRewards(self, setting)

    def check_evaluation(self, config: TrainingConfig, max_new_tokens: int) -> None:
        """Plans the benchmark's runs before and after training."""
        from src.training.held_out.edits import check_evaluation

        check_evaluation(config, self.policy_at_work, max_new_tokens)

    def check_held_out(self, config: TrainingConfig, examples: Sequence[Example[EditSample]]) -> None:
        """Asks the scorers of these runs whether they can score the examples."""
        from src.training.held_out.edits import check_held_out

        check_held_out(config, self.policy_at_work, examples)

    def gains(self, config: TrainingConfig, examples: Sequence[Example[EditSample]], max_new_tokens: int) -> list[Gain]:
        """Runs the benchmark with the text encoder thinking, before and after training."""
        from src.training.held_out.edits import compare_edits

        return compare_edits(config, self.policy_at_work, examples, max_new_tokens)
