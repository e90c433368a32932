"""`OpenAIRewardModel`: a judge behind OpenAI's chat-completions protocol — GPT-4o, vLLM, `transformers serve` …"""

from __future__ import annotations

from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.chat_model import ChatModel
from src.models.vlm.chat_params import ChatParams


class OpenAIRewardModel(ChatModel, VisionLanguageJudge):
    """Any model that a `ChatModel` can ask judges edits."""

    class Params(ChatParams):
        """The params of the conversation, and which pictures the judge is shown."""

        compare_with_original: bool = True
        """Show the source image before the edited one."""
        compare_with_reference: bool = True
        """Show the reference image, where there is one, after the edit, to rubrics that speak of it."""
