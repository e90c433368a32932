"""Everything that a plug-in imports: `from editloop import Editor, Judge, Scorer, Task`, or the same from `src`.

Nothing in the project imports this file: the package and `editloop` look into it when they are asked for a name.
"""

from src.data.image import LazyImage
from src.data.sample import BadSample, EditSample
from src.data.verdict import Status, Verdict
from src.errors import ConfigError, ModelError, ModelUnusable
from src.models.base import ModelParams
from src.models.diffusion.base_diffusion import BaseDiffusionModel as Editor
from src.models.diffusion.generation_model import GenerationModel
from src.models.reward.base_reward import BaseRewardModel as Judge
from src.models.reward.base_reward import Judgement, JudgeRequest, NotApplicable
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.question import Delivery, LabelledImage, Question, Reply, Sampling
from src.reporting.frame import load_run
from src.rewards.core.judge_prompt import ReplyFormat
from src.rewards.core.judged_scorer import JudgedParams, JudgedScorer, JudgePrompt
from src.rewards.core.scorer import Completion, CompletionScorer, EditedSample, Scorer, ScorerSetting
from src.rewards.scorers.readability import Readability
from src.training.grpo.answer_rewards import AnswerRewards
from src.training.grpo.edit_rewards import EditRewards
from src.training.grpo.reward_function import RewardFunction, RewardSetting
from src.training.tasks.base import Task
from src.training.tasks.example import Example, UnparsableCompletion
from src.training.tasks.rewrite import CritiqueTask, RewriteTask
from src.training.tasks.vqa import VQATask

__all__ = [
    "AnswerRewards",
    "BadSample",
    "Completion",
    "CompletionScorer",
    "ConfigError",
    "CritiqueTask",
    "Delivery",
    "EditRewards",
    "EditSample",
    "EditedSample",
    "Editor",
    "Example",
    "GenerationModel",
    "Judge",
    "JudgePrompt",
    "JudgeRequest",
    "JudgedParams",
    "JudgedScorer",
    "Judgement",
    "LabelledImage",
    "LazyImage",
    "ModelError",
    "ModelParams",
    "ModelUnusable",
    "NotApplicable",
    "Question",
    "Readability",
    "Reply",
    "ReplyFormat",
    "RewardFunction",
    "RewardSetting",
    "RewriteTask",
    "Sampling",
    "Scorer",
    "ScorerSetting",
    "Status",
    "Task",
    "UnparsableCompletion",
    "VQATask",
    "Verdict",
    "VisionLanguageJudge",
    "load_run",
]
