"""A judge whose replies to one question differ, for tests of repeated judgements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Question, Reply


class RepeatingJudge(VisionLanguageJudge):
    """`script` maps a word of a question to the replies to its repeats, in turn: texts, or the fields of a `Reply`.

    `asked` lists every question.
    """

    asked: list[Question] = []  # noqa: RUF012 (shared on purpose: tests read it from the class)

    def _initialize(self) -> None: ...

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        places: Counter[tuple[str, int]] = Counter()
        replies = []
        for question in questions:
            self.asked.append(question)
            about = (question.text, id(question.images[0].image))
            replies.append(self._reply(question.text, places[about]))
            places[about] += 1
        return replies

    def _reply(self, text: str, place: int) -> Reply:
        replies = next(replies for word, replies in self.config["script"].items() if word in text)
        reply: Any = replies[place % len(replies)]
        fields = reply if isinstance(reply, dict) else {"text": reply, "finish_reason": "stop"}
        return Reply(**{"seconds": 0.25 * (place + 1), "usage": {"calls": 1}, "model": "repeating"} | fields)
