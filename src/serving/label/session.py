"""`LabelSession`: where a rater stands among the tasks, and what becomes of an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from src.data.winners import BOTH_BAD, FIRST_WINS, SECOND_WINS, TIE
from src.errors import ConfigError
from src.reporting.calibration.labels import check_ids
from src.serving.label.label_file import LabelFile
from src.serving.label.tasks import LEFT, RIGHT, LabelTask
from src.serving.refused import Refused

Answer = int | str


class LabelSession:
    """The tasks of one rater; safe to use from several threads.

    Args:
        tasks: In their order.
        file: Opened; the labels in it are gone on with.
        known: The edit keys of every sample of the runs: other labels of the file must be of these.
        runs: How messages call the runs.

    Raises:
        DataError: the file has labels of other runs.
        ConfigError: it has scores where choices are to be made, or the other way round.
    """

    def __init__(
        self, tasks: Sequence[LabelTask], file: LabelFile, known: dict[str, list[str | None]], runs: str
    ) -> None:
        self._tasks = {task.sample_id: task for task in tasks}
        self._file = file
        self._lock = threading.Lock()
        self._shown: tuple[str, float] = ("", 0.0)
        self.of_pairs = tasks[0].left is not None
        labels = file.labels()
        if any((label.winner is not None) != self.of_pairs for label in labels):
            kind = "scores of single edits" if self.of_pairs else "choices between two runs"
            raise ConfigError(f"{file.path} holds {kind}; name another file by --labels")
        check_ids(labels, known, file.path, runs)
        self._done = [
            label.sample_id for label in labels if label.rater == file.rater and label.sample_id in self._tasks
        ]

    def state(self) -> dict[str, Any]:
        """What the page shows: progress, and the task whose turn it is with the one that follows, if any."""
        with self._lock:
            return self._state()

    def _state(self) -> dict[str, Any]:
        done = set(self._done)
        left = [task for name, task in self._tasks.items() if name not in done]
        if left and self._shown[0] != left[0].sample_id:
            self._shown = (left[0].sample_id, time.monotonic())
        tasks = [_shown_of(task) for task in left[:2]]
        return {
            "done": len(done),
            "total": len(self._tasks),
            "pairs": self.of_pairs,
            "task": tasks[0] if tasks else None,
            "next": tasks[1] if len(tasks) > 1 else None,
            "undo": bool(self._done),
        }

    def task(self, sample_id: str) -> LabelTask | None:
        """The task of a sample, if it is one of this session."""
        return self._tasks.get(sample_id)

    def answer(self, sample_id: str, answer: Answer) -> dict[str, Any]:
        """Stores the answer to the task whose turn it is, and returns the new state.

        Raises:
            Refused: it is another task's turn (a second page, a double click), or this is no answer to it.
        """
        with self._lock:
            turn = self._state()["task"]
            if turn is None or turn["sample"] != sample_id:
                raise Refused(409, "bad_request", "this sample is not the one whose turn it is: load the page again")
            task = self._tasks[sample_id]
            label = self._choice(task, answer) if self.of_pairs else self._score(answer)
            seconds = round(time.monotonic() - self._shown[1], 1)
            at = datetime.now(UTC).isoformat(timespec="seconds")
            self._file.add(sample_id, label | {"seconds": seconds, "at": at}, task.edit_keys)
            self._done.append(sample_id)
            return self._state()

    def undo(self) -> dict[str, Any]:
        """Takes the latest answer back, also one from before the command was started, and returns the new state.

        Raises:
            Refused: there is none.
        """
        with self._lock:
            if not self._done:
                raise Refused(409, "bad_request", "there is no answer to take back")
            self._file.undo(self._done[-1])
            self._done.pop()
            return self._state()

    @staticmethod
    def _score(answer: Answer) -> dict[str, Any]:
        if not isinstance(answer, int) or not 0 <= answer <= 10:
            raise Refused(422, "bad_request", "a score is a whole number from 0 to 10")
        return {"score": answer}

    @staticmethod
    def _choice(task: LabelTask, answer: Answer) -> dict[str, Any]:
        """Whose edit was chosen; the side on which it was shown is kept beside it."""
        other = SECOND_WINS if task.left == FIRST_WINS else FIRST_WINS
        words = {LEFT: task.left, RIGHT: other, TIE: TIE, BOTH_BAD: BOTH_BAD}
        if not isinstance(answer, str) or answer not in words:
            raise Refused(422, "bad_request", f"a choice is one of {', '.join(words)}")
        return {"winner": words[answer], "left": task.left}


def _shown_of(task: LabelTask) -> dict[str, Any]:
    return {"sample": task.sample_id, "instruction": task.instruction, "pictures": sorted(task.pictures)}
