"""A vision-language judge that answers from a script: a plug-in, as a user could write one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from src.errors import ModelUnusable
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Question, Reply


class ScriptedJudge(VisionLanguageJudge):
    """`script` maps a word of the question to its replies by attempt, the last of which is repeated.

    A reply is a text or the fields of a `Reply`; `boom` raises, `unusable` stops the run. `asked` lists every call.
    """

    def _initialize(self) -> None:
        self.asked: list[list[Question]] = []

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        self.asked.append(list(questions))
        return [self._reply(question, attempt) for question in questions]

    def _reply(self, question: Question, attempt: int) -> Reply:
        replies = next(replies for word, replies in self.config["script"].items() if word in question.text)
        reply: Any = replies[min(attempt, len(replies) - 1)]
        if reply == "boom":
            raise RuntimeError("the lights went out")
        if reply == "unusable":
            raise ModelUnusable("wrong key")
        if isinstance(reply, dict):
            return Reply(**reply)
        return Reply(reply, "stop", usage={"calls": 1, "cost": 0.25}, model=f"scripted-{attempt}", seconds=0.5)


class BlindJudge(ScriptedJudge):
    """Is not shown the source."""

    compare_with_original = False


class ForgetfulJudge(ScriptedJudge):
    """Loses the last reply of every call with several questions."""

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        replies = super().ask(questions, attempt)
        return replies[:-1] if len(replies) > 1 else replies


class TiringJudge(VisionLanguageJudge):
    """Gives the texts of `scores` one after the other, whatever it is asked."""

    def _initialize(self) -> None:
        self.left = list(self.config["scores"])

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        return [Reply(self.left.pop(0), "stop") for _ in questions]
