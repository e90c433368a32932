"""`RewriteTask` and `CritiqueTask`: a policy that thinks, then tells a frozen editor in plain words what to draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from src.data.image import ImageError, LazyImage, content_hash, naming
from src.data.loader import load_samples
from src.data.sample import BadSample, EditSample
from src.data.selection import Selection
from src.models.vlm.prompts import Language, load_prompt, with_rules
from src.models.vlm.tags import read_rewrite
from src.training.tasks.base import Task
from src.training.tasks.example import Example, Keep, UnparsableCompletion, streamed_examples

if TYPE_CHECKING:
    from src.training.config import TrainingConfig
    from src.training.grpo.reward_function import RewardFunction, RewardSetting
    from src.training.held_out.edits import RewritePrompt
    from src.training.held_out.gain import Gain

PROTOCOL = "rewrite"


def read_instruction(completion: str) -> str:
    """Returns the `<Re_edit>` instructions of a completion as the editor gets them: in order, one on each line.

    Raises:
        UnparsableCompletion: when the completion breaks any rule of `read_rewrite`.
    """
    rewrite = read_rewrite(completion)
    if rewrite.problems:
        raise UnparsableCompletion("; ".join(rewrite.problems))
    return "\n".join(rewrite.instructions)


class RewriteTask(Task[EditSample]):
    """First pass: source image and instruction in, a better instruction out; EditThinker (arXiv 2512.05965) and kin."""

    PROMPT: ClassVar[str] = "first_pass"

    def __init__(self, params: Mapping[str, Any] | None = None, language: Language = "en") -> None:
        super().__init__(params, language)
        self._prompt = load_prompt(PROTOCOL, self.PROMPT, language)

    @property
    def instructions(self) -> str:
        """The system message; the tags that a scorer of the form demands must be named in it."""
        return self._prompt.render(edit_instruction="")[0]

    @property
    def policy_prompt(self) -> RewritePrompt:
        """How the policy is asked outside the training: by the same prompt and rules."""
        from src.training.held_out.edits import RewritePrompt

        return RewritePrompt(self.PROMPT, self.instructions, self.rules)

    def examples(self, path: str, selection: Selection, keep: Keep) -> Iterator[Example[EditSample] | BadSample]:
        """Streams the samples of a benchmark file; one with a picture that cannot be decoded is a bad sample."""
        samples = load_samples(path, selection)
        return streamed_examples(samples, partial(self._example, keep), attrgetter("sample_id"))

    def _example(self, keep: Keep, sample: EditSample) -> Example[EditSample]:
        kept = kept_sample(sample, keep)
        system, user = self._prompt.render(edit_instruction=sample.instruction)
        source = kept.given_source
        return Example(
            example_id=sample.sample_id,
            source_sha256=content_hash(source.read_bytes()),
            category=sample.category,
            request=sample.instruction,
            system=with_rules(system, self.rules),
            user=user,
            images=(source,),
            subject=kept,
        )

    def read(self, completion: str) -> str:
        """Returns the instructions, one on each line."""
        return read_instruction(completion)

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        """Builds rewards by the scorer of the config, on the edit of the source."""
        from src.training.grpo.edit_rewards import EditRewards

        return EditRewards(self, setting)

    def check_evaluation(self, config: TrainingConfig, max_new_tokens: int) -> None:
        """Plans the benchmark's runs before and after training."""
        from src.training.held_out.edits import check_evaluation

        check_evaluation(config, self.policy_prompt, max_new_tokens)

    def check_held_out(self, config: TrainingConfig, examples: Sequence[Example[EditSample]]) -> None:
        """Asks the scorers of these runs whether they can score the examples."""
        from src.training.held_out.edits import check_held_out

        check_held_out(config, self.policy_prompt, examples)

    def gains(self, config: TrainingConfig, examples: Sequence[Example[EditSample]], max_new_tokens: int) -> list[Gain]:
        """Runs the benchmark with both policies in front of the editor."""
        from src.training.held_out.edits import compare_edits

        return compare_edits(config, self.policy_prompt, examples, max_new_tokens)


def kept_sample(sample: EditSample, keep: Keep) -> EditSample:
    """Returns the sample with its pictures in the training's own folder.

    Raises:
        ImageError: it has several sources or turns, or a picture that cannot be decoded.
    """
    if sample.further_sources:
        raise ImageError("it has several source pictures, and a training edits one")
    if sample.turns:
        raise ImageError("it is edited in several turns, and a training edits in one")
    return replace(
        sample,
        source=_kept("source", sample.source, keep) if sample.source else None,
        reference=_kept("reference", sample.reference, keep) if sample.reference else None,
        preliminary=_kept("preliminary", sample.preliminary, keep) if sample.preliminary else None,
    )


def _kept(name: str, image: LazyImage, keep: Keep) -> LazyImage:
    with naming(name):
        return keep(image)


class CritiqueTask(RewriteTask):
    """Second pass: source image, a first attempt and the instruction in; what to draw on the attempt out.

    The attempt is the sample's `preliminary`, or else what the editor makes of the user's own words.
    """

    PROMPT: ClassVar[str] = "second_pass"

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        """Builds rewards by the scorer of the config, on the edit of the first attempt."""
        from src.training.grpo.edit_rewards import CritiqueRewards

        return CritiqueRewards(self, setting)
