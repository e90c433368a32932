"""Judges in processes of a Ray cluster, as scorers in this process take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from src.cluster.actor_pool import MOST_ATTEMPTS, ActorPool
from src.cluster.judge_actor import Packer
from src.models.reward.base_reward import BaseRewardModel, Judgement, JudgeRequest
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Question, Reply


class RemoteJudge(BaseRewardModel):
    """A judge that only scores. Each call goes to whichever actor is free, and raises what the judge raises there.

    Args:
        pool: Of `JudgeActor`s.
        model_class: The judge's class.
        params: The judge's params.
    """

    def __init__(self, pool: ActorPool, model_class: type[BaseRewardModel], params: dict[str, Any]) -> None:
        super().__init__(params)
        self.params = model_class.Params(**params) if model_class.Params else None
        self._pool = pool
        self.max_concurrency: int = pool.count * pool.kind.threads

    def _initialize(self) -> None: ...

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """The judge's own; waits until one is loaded."""
        return int(self._pool.info()["batch_size"])

    def judge(self, request: JudgeRequest) -> Judgement:
        """Has one edit judged."""
        return self.judge_batch([request])[0]

    def judge_batch(self, requests: list[JudgeRequest]) -> list[Judgement]:
        """Has several edits judged in one call."""
        packer = Packer()
        packed = [packer.request(request) for request in requests]
        judgements: list[Judgement] = self._asked(len(requests), "judge_batch", packed, packer.pngs)
        return judgements

    def _asked(self, count: int, method: str, *arguments: Any) -> Any:
        """What an actor answers. Several edits that end one are asked about one by one after that, by the scorer."""
        return self._pool.submit(method, *arguments, most_attempts=1 if count > 1 else MOST_ATTEMPTS).result()

    def score(
        self,
        edited_image: Image.Image,
        original_description: str,
        edit_instruction: str,
        system_prompt: str,
        user_prompt: str,
        original_image: Image.Image | None = None,
        **kwargs: Any,
    ) -> float:
        """Has one edit judged."""
        asked = (edited_image, original_image, original_description, edit_instruction, system_prompt, user_prompt)
        return self.judge(JudgeRequest(*asked, reference_image=kwargs.get("reference_image"))).score

    def stop_waiting(self) -> None:
        """Breaks off what no actor has begun."""
        self._pool.stop_waiting()

    def unload_from_gpu(self) -> None:
        """Ends the actors."""
        self._pool.close()


class RemoteVisionLanguageJudge(RemoteJudge, VisionLanguageJudge):  # type: ignore[override]
    """A judge that is asked in words; what its replies say is read in this process."""

    @property
    def compare_with_original(self) -> bool:
        """The judge's own."""
        return bool(self._pool.info()["compare_with_original"])

    def ask(self, questions: Sequence[Question], attempt: int = 0) -> list[Reply]:
        """Has questions answered in one call."""
        packer = Packer()
        packed = [packer.question(question) for question in questions]
        replies: list[Reply] = self._asked(len(questions), "ask", packed, attempt, packer.pngs)
        return replies
