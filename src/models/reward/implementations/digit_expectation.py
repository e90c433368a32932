"""`DigitExpectationRewardModel`: the mean digit that a vision-language model would say of an edit at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pydantic

from src.errors import ModelError
from src.models.device import pick_device
from src.models.reward.base_reward import Judgement, JudgeRequest
from src.models.reward.forward_judge import ForwardJudge
from src.models.reward.vision_language_judge import NoScore
from src.models.vlm.exact_expected_score import DigitExpectation, NumberTokens, expected_digit
from src.models.vlm.question import Question, before_and_after
from src.models.vlm.question_encoder import QuestionEncoder
from src.models.vlm.stored_architecture import require_vision_language
from src.models.vlm.transformers_loading import load_checkpoint

LOW, HIGH = 0, 5
QUESTION_VERSION = "1"
"""Part of the identity: raise it when the words of the question change."""


class DigitExpectationRewardModel(ForwardJudge):
    """Asks any vision-language checkpoint for one digit from 0 to 5, and takes the mean over what it might say.

    One forward pass, nothing is written: score = 2 · Σ k·p(k) / Σ p(k), with p(k) the probability that the reply begins
    with digit k (`expected_digit`). Hence it hardly ever ties, as a reward needs it. The probability of the six digits
    together is the dimension `digit_mass` (0–1); an edit of which it is below `least_mass` has no score, as the model
    then means to say something else.

    Dimensions: `expected_digit` (0–5) and `digit_mass`.

    Raises:
        ModelError: on construction, when weights or chat template are missing, or the tokenizer has no digits.
    """

    class Params(ForwardJudge.Params):
        """Which checkpoint, and how much of its first token must be digits."""

        trust_remote_code: bool = False
        """Run Python code that comes with the checkpoint."""
        image_max_side: int | None = pydantic.Field(None, ge=28)
        """Longest side in pixels of what the model sees; None leaves it to the checkpoint's processor."""
        least_mass: float = pydantic.Field(0.5, ge=0, le=1)
        """The least probability of the six digits together with which there is a score."""

    NOT_IN_IDENTITY: ClassVar[frozenset[str]] = ForwardJudge.NOT_IN_IDENTITY

    @classmethod
    def identity(cls, params: dict[str, Any]) -> dict[str, Any]:
        """The checkpoint's identity, with the version of the question."""
        return super().identity(params) | {"question": QUESTION_VERSION}

    @classmethod
    def check_weights(cls, params: dict[str, Any]) -> None:
        """Raises `ModelError` for a checkpoint that is no vision-language model, or has no weights."""
        checked = cls.Params(**params)
        if not checked.trust_remote_code:
            require_vision_language(checked.model_name, checked.revision)

    def _initialize(self) -> None:
        self.device = pick_device(self.params.device)
        self.batch_size = self.params.batch_size
        self._processor, self.model = load_checkpoint(self.params, [self.device])
        self._encoder = QuestionEncoder(self._processor, self.params.image_max_side)
        self._numbers = NumberTokens.of(self._processor.tokenizer)
        if absent := [str(digit) for digit in range(LOW, HIGH + 1) if str(digit) not in self._numbers.digits]:
            raise ModelError(f"the tokenizer of {self.params.model_name} has no token for {', '.join(absent)}")
        self.load_to_gpu()

    def expectations(self, requests: Sequence[JudgeRequest]) -> list[tuple[DigitExpectation, int]]:
        """What the model would say of each edit as its first token, and the tokens of the question.

        Raises:
            NoScore: no digit has any probability.
        """
        import torch

        inputs = self._encoder([_question(request) for request in requests]).to(self.device, self.model.dtype)
        tokens = inputs["attention_mask"].sum(dim=1).tolist()
        with torch.inference_mode():
            logits = self.model(**inputs, logits_to_keep=1).logits[:, -1]
        found = [expected_digit(row, self._numbers, LOW, HIGH) for row in logits.float().softmax(dim=-1).cpu()]
        if None in found:
            raise NoScore("none of the digits has any probability as the first token: the model's output is no number")
        return [(one, count) for one, count in zip(found, tokens, strict=True) if one is not None]

    def judge_batch(self, requests: list[JudgeRequest]) -> list[Judgement]:
        """Judges several edits in one pass.

        Raises:
            NoScore: an edit has too little probability on digits; then all are to be judged one by one.
        """
        return [self._judgement(*found) for found in self.expectations(requests)]

    def _judgement(self, found: DigitExpectation, tokens: int) -> Judgement:
        if found.mass < self.params.least_mass:
            raise NoScore(
                f"the digits {LOW} to {HIGH} have only {found.mass:.3f} of the probability of the first token "
                f"(reward_model.params.least_mass is {self.params.least_mass:g}): the model would say something else"
            )
        return Judgement(
            10.0 * (found.mean - LOW) / (HIGH - LOW),
            dimensions={"expected_digit": found.mean, "digit_mass": found.mass},
            replies=(f"most likely {found.likeliest}, on average {found.mean:.4f}; digits have {found.mass:.4f}",),
            usage={"calls": 1.0, "prompt_tokens": float(tokens)},
        )


def _question(request: JudgeRequest) -> Question:
    text = (
        f"Instruction of the edit: {request.edit_instruction}\n"
        "How well does the image after the edit carry out the instruction, and leave everything else as it was? "
        "0: not at all, or the picture is ruined; 5: completely, and nothing else has changed. "
        "Answer with a single digit from 0 to 5 and nothing else."
    )
    return Question("", before_and_after(request.given_source, request.edited_image), text)
