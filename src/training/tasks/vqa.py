"""`VQATask`: a policy that answers questions about images, rewarded for right answers; no editor is involved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from src.data.image import ImageError, content_hash
from src.data.questions import VQAQuestion, load_questions
from src.data.sample import BadSample
from src.data.selection import Selection
from src.errors import ConfigError
from src.models.base import ModelParams
from src.models.vlm.prompts import Language, load_prompt, with_rules
from src.models.vlm.tags import read_answer
from src.training.tasks.base import Task
from src.training.tasks.example import Example, Keep, UnparsableCompletion, streamed_examples

if TYPE_CHECKING:
    from src.training.config import TrainingConfig
    from src.training.grpo.reward_function import RewardFunction, RewardSetting
    from src.training.held_out.gain import Gain

PROTOCOL = "vqa"


class VQATask(Task[VQAQuestion]):
    """Images and a question in, `<think>…</think><answer>…</answer>` out, as in DeepSeek-R1 (arXiv 2501.12948)."""

    class Params(ModelParams):
        """The form in which the policy is asked for an answer."""

        prompt: Literal["think_answer", "answer"] = "think_answer"
        """`answer` asks for the answer alone; the scorer's `style` must be `plain` then."""

    SCORER: ClassVar[str] = "src.rewards.scorers.vqa.VQAScorer"

    def __init__(self, params: Mapping[str, Any] | None = None, language: Language = "en") -> None:
        super().__init__(params, language)
        self._prompt = load_prompt(PROTOCOL, self.params.prompt, language)

    @property
    def instructions(self) -> str:
        """The system message; it must ask for the form that the scorer rewards."""
        return self._prompt.render(question="")[0]

    def examples(self, path: str, selection: Selection, keep: Keep) -> Iterator[Example[VQAQuestion] | BadSample]:
        """Streams the questions of a `{prompt, answer, images}` file; one with an undecodable image is a bad sample."""
        questions = load_questions(path, selection)
        return streamed_examples(questions, partial(self._example, keep), attrgetter("question_id"))

    def _example(self, keep: Keep, question: VQAQuestion) -> Example[VQAQuestion]:
        try:
            images = tuple(keep(image) for image in question.images)
        except ImageError as error:
            raise ImageError(f"image: {error}") from error
        system, user = self._prompt.render(question=question.text)
        return Example(
            example_id=question.question_id,
            source_sha256=content_hash(images[0].read_bytes()),
            category=question.category,
            request=question.text,
            system=with_rules(system, self.rules),
            user=user,
            images=images,
            subject=replace(question, images=images),
        )

    def read(self, completion: str) -> str:
        """Returns the text within `<answer>`, or the whole completion where the prompt asks for the answer alone."""
        if self.params.prompt == "answer":
            if not completion.strip():
                raise UnparsableCompletion("it is empty")
            return completion.strip()
        read = read_answer(completion)
        if read.problems or read.answer is None:
            raise UnparsableCompletion("; ".join(read.problems))
        return read.answer

    def rewards(self, setting: RewardSetting) -> RewardFunction:
        """Builds rewards by the scorer of the config, on the completion's text."""
        from src.training.grpo.answer_rewards import AnswerRewards

        if "scorer" not in setting.config.model_fields_set:
            raise ConfigError(f"{type(self).__name__} needs a scorer of texts: set scorer.class_path: {self.SCORER}")
        if setting.config.data.format != "native":
            raise ConfigError(
                f"data.format: {setting.config.data.format} is a layout of pictures to edit or to make, and "
                f"{type(self).__name__} reads questions; leave it out"
            )
        return AnswerRewards(self, setting)

    def check_evaluation(self, config: TrainingConfig, max_new_tokens: int) -> None:
        """Builds the scorers; editors and judges have no part in it."""
        from src.training.text_scorers import check_text_evaluation

        check_text_evaluation(self, config)

    def gains(
        self, config: TrainingConfig, examples: Sequence[Example[VQAQuestion]], max_new_tokens: int
    ) -> list[Gain]:
        """Scores the greedy answers of both policies by the scorers of the training and of the evaluation."""
        from src.training.held_out.answers import compare_answers
        from src.training.text_scorers import text_scorers

        return compare_answers(config, text_scorers(config), examples[: config.evaluation.limit], max_new_tokens)
