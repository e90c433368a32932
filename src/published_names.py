"""Names under which users know what has moved since: old class paths and imports work, and keys stay what they were.

A class is named in YAML files, in plug-ins' imports and in the keys of records. None of these may notice that a module
has got another room.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from operator import attrgetter
from types import ModuleType
from typing import Any

MODULES = {
    "src.models.reward.dialogue": "src.models.reward.vision_language_judge",
    "src.models.trained_policy": "src.models.vlm.trained_policy",
    "src.rewards.alignment_quality_reward": "src.rewards.scorers.alignment_quality",
    "src.rewards.asking": "src.models.vlm.asking",
    "src.rewards.base": "src.rewards.core.scorer",
    "src.rewards.category_scorer": "src.rewards.scorers.category",
    "src.rewards.combined_scorer": "src.rewards.scorers.combined",
    "src.rewards.format_reward": "src.rewards.scorers.format",
    "src.rewards.ground_truth_score": "src.rewards.scorers.ground_truth",
    "src.rewards.judge_handle": "src.rewards.core.judge_handle",
    "src.rewards.judged_scorer": "src.rewards.core.judged_scorer",
    "src.rewards.knowledge_graph_reward": "src.rewards.scorers.knowledge_graph",
    "src.rewards.means": "src.rewards.core.means",
    "src.rewards.oracle_score": "src.miniature.oracle_scorer",
    "src.rewards.prompts": "src.models.vlm.prompts",
    "src.rewards.readability": "src.rewards.scorers.readability",
    "src.rewards.reference_score": "src.rewards.scorers.reference",
    "src.rewards.region_count": "src.rewards.scorers.region_count",
    "src.rewards.six_dimension_reward": "src.rewards.scorers.six_dimension",
    "src.rewards.tags": "src.models.vlm.tags",
    "src.rewards.verdict": "src.data.verdict",
    "src.rewards.vie_score": "src.rewards.scorers.vie",
    "src.rewards.vqa_reward": "src.rewards.scorers.vqa",
    "src.training.answer_rewards": "src.training.grpo.answer_rewards",
    "src.training.edit_rewards": "src.training.grpo.edit_rewards",
    "src.training.rewards": "src.training.grpo.reward_function",
}
"""The module of today, by the name of a module of before."""

CLASSES = {
    "AlignmentQualityReward": "AlignmentQualityScorer",
    "Enquiry": "ScoreRequest",
    "FormatReward": "FormatScorer",
    "GroundTruthScore": "GroundTruthScorer",
    "Inquiry": "JudgePrompt",
    "KnowledgeGraphReward": "KnowledgeGraphScorer",
    "OracleScore": "OracleScorer",
    "Outcome": "CompletionOutcome",
    "Part": "WeightedScorer",
    "Prompt": "PromptTemplate",
    "Reading": "ParsedCompletion",
    "ReferenceScore": "ReferenceScorer",
    "SixDimensionReward": "SixDimensionScorer",
    "VIEScore": "VIEScorer",
    "VQAReward": "VQAScorer",
    "inquiry": "judge_prompt",
    "score_enquiry": "score_request",
}
"""What a class (or a function) of those modules is called now."""

METHODS = {
    "edit_inquiry": "edit_prompt",
    "enquiry": "request",
    "inquiries": "judge_prompts",
    "know": "add_examples",
    "pages": "page_writer",
    "said": "text",
}
"""What a method or an attribute of those classes is called now."""

CLASSES_OF_MODULE = {
    "src.rewards.alignment_quality_reward": {"Weights": "AlignmentQualityWeights"},
    "src.rewards.six_dimension_reward": {"Weights": "SixDimensionWeights"},
}
"""What such a name means in one module alone, where several modules had it for different classes."""

_OLD_MODULES = {new: old for old, new in MODULES.items()}
_OLD_CLASSES = {new: old for old, new in CLASSES.items()}


def published_name(named: type) -> str:
    """`module.ClassName` as keys and records have it: of a class that has moved, the first name that it ever had."""
    module = _OLD_MODULES.get(named.__module__)
    if module is None:
        return f"{named.__module__}.{named.__qualname__}"
    return f"{module}.{_OLD_CLASSES.get(named.__qualname__, named.__qualname__)}"


def take_old_methods(named: type, *old_names: str) -> None:
    """Lets each class that `named` derives from, mixins too, answer to both names of a method that it defines.

    An override then counts under either name, and `super()` finds the next definition by either. A class with a base
    of this project whose methods were renamed calls this when a subclass is made (`__init_subclass__`).
    """
    for old in old_names:
        for one in named.__mro__:
            for name, other in ((old, METHODS[old]), (METHODS[old], old)):
                own = vars(one).get(name)
                if own is not None and other not in vars(one) and not getattr(own, "__isabstractmethod__", False):
                    setattr(one, other, own)


def old_attribute(old_name: str) -> Any:
    """A property that gives what the attribute of today's name holds."""
    return property(attrgetter(METHODS[old_name]), doc=f"The name of before of `{METHODS[old_name]}`.")


class _Moved(MetaPathFinder, Loader):
    """Imports a module of before as a window on the one of today."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        return ModuleSpec(name, self) if name in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        today = importlib.import_module(MODULES[module.__name__])
        module.__doc__ = today.__doc__
        classes = CLASSES | CLASSES_OF_MODULE.get(module.__name__, {})

        def attribute(name: str) -> Any:
            return getattr(today, classes.get(name, name))

        module.__dict__["__getattr__"] = attribute
        module.__dict__["__dir__"] = lambda: [
            *vars(today),
            *(old for old, new in classes.items() if new in vars(today)),
        ]


def install_import_aliases() -> None:
    """Lets `import` find modules and classes under the names of before; called once, by the package itself."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
