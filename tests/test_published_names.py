"""What users wrote before the house was rebuilt (class paths, imports, plug-ins) goes on working, under its old keys.

The names in `BEFORE` are those of commit 9af9f07, of all that a YAML could name and a plug-in could import.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.config import ModelConfig
from src.data import verdict as verdict_today
from src.errors import ConfigError
from src.published_names import CLASSES, CLASSES_OF_MODULE, MODULES, published_name
from src.registry import load_class, resolve
from src.rewards.core.judged_scorer import JudgedScorer, JudgePrompt
from src.rewards.core.scorer import EditedSample, Scorer, ScorerSetting, question_key
from src.rewards.scorers.vie import VIEScorer
from tests.judged_edits import edit, judged, sample

ROOT = Path(__file__).parent.parent
BEFORE = {
    "src.models.reward.dialogue": "LabelledImage Question Reply NoScore before_and_after VisionLanguageJudge",
    "src.models.trained_policy": "TrainedPolicy",
    "src.rewards.alignment_quality_reward": "Weights AlignmentQualityReward",
    "src.rewards.asking": "Enquiry Answer score_enquiry ask ask_repeatedly total_usage",
    "src.rewards.base": "EditedSample ScorerSetting NoParams Scorer Completion CompletionScorer reference_key",
    "src.rewards.category_scorer": "CategoryScorer fill",
    "src.rewards.combined_scorer": "Part CombinedScorer",
    "src.rewards.format_reward": "FormatReward",
    "src.rewards.ground_truth_score": "GroundTruthScore",
    "src.rewards.judge_handle": "JudgeHandle",
    "src.rewards.judged_scorer": "Inquiry inquiry JudgedParams JudgedScorer",
    "src.rewards.knowledge_graph_reward": "KnowledgeGraphReward knowledge_fidelity edges_of",
    "src.rewards.means": "weighted_mean weighted_geometric_mean",
    "src.rewards.oracle_score": "OracleScore",
    "src.rewards.prompts": "Prompt with_rules load_prompt",
    "src.rewards.readability": "Readability",
    "src.rewards.reference_score": "ReferenceScore",
    "src.rewards.region_count": "RegionCount",
    "src.rewards.six_dimension_reward": "Weights SixDimensionReward",
    "src.rewards.tags": "Block TaggedText Rewrite ThinkAnswer read_blocks read_rewrite read_answer require_tags",
    "src.rewards.verdict": "Status Verdict failed",
    "src.rewards.vie_score": "VIEScore",
    "src.rewards.vqa_reward": "VQAReward accuracy overlap bleu rouge_l",
    "src.training.answer_rewards": "AnswerRewards",
    "src.training.edit_rewards": "EditRewards CritiqueRewards",
    "src.training.rewards": "RewardSetting Reading Outcome RewardFunction",
}
CASES = [(module, name) for module, names in BEFORE.items() for name in names.split()]
KEYED = [
    ("alignment_quality_reward.AlignmentQualityReward", "scorers.alignment_quality.AlignmentQualityScorer"),
    ("category_scorer.CategoryScorer", "scorers.category.CategoryScorer"),
    ("combined_scorer.CombinedScorer", "scorers.combined.CombinedScorer"),
    ("format_reward.FormatReward", "scorers.format.FormatScorer"),
    ("ground_truth_score.GroundTruthScore", "scorers.ground_truth.GroundTruthScorer"),
    ("knowledge_graph_reward.KnowledgeGraphReward", "scorers.knowledge_graph.KnowledgeGraphScorer"),
    ("reference_score.ReferenceScore", "scorers.reference.ReferenceScorer"),
    ("region_count.RegionCount", "scorers.region_count.RegionCount"),
    ("six_dimension_reward.SixDimensionReward", "scorers.six_dimension.SixDimensionScorer"),
    ("vie_score.VIEScore", "scorers.vie.VIEScorer"),
    ("vqa_reward.VQAReward", "scorers.vqa.VQAScorer"),
]
"""Below `src.rewards`: the class path in YAMLs and keys of before, and the one of today."""


def test_every_module_of_before_is_listed_here() -> None:
    assert set(BEFORE) == set(MODULES)
    assert set(CLASSES) <= {name for _, name in CASES}


@pytest.mark.parametrize(("module", "name"), CASES)
def test_an_old_import_gives_what_the_name_means_today(module: str, name: str) -> None:
    found = getattr(importlib.import_module(module), name)
    today = (CLASSES | CLASSES_OF_MODULE.get(module, {})).get(name, name)
    assert found is getattr(importlib.import_module(MODULES[module]), today)


@pytest.mark.parametrize(
    ("before", "today"), [*KEYED, ("oracle_score.OracleScore", "../miniature.oracle_scorer.OracleScorer")]
)
def test_a_class_path_of_before_loads_the_class_of_today_and_its_keys_have_the_old_name(
    before: str, today: str
) -> None:
    path = today.replace("../", "src.") if today.startswith("../") else f"src.rewards.{today}"
    found = load_class(f"src.rewards.{before}", object)
    assert found is load_class(path, object)
    assert published_name(found) == f"src.rewards.{before}"


def test_both_names_of_a_scorer_give_one_identity() -> None:
    old, new = (
        resolve(ModelConfig(class_path=f"src.rewards.{path}"), Scorer, "scorer")({}).identity()  # type: ignore[type-abstract]
        for path in ("reference_score.ReferenceScore", "scorers.reference.ReferenceScorer")
    )
    assert old == new
    assert old["class"] == "src.rewards.reference_score.ReferenceScore"


def test_a_class_that_has_not_moved_is_called_by_its_own_name() -> None:
    assert published_name(Plain) == "tests.test_published_names.Plain"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("src.rewards.vie_score.VIEScor", "Did you mean 'VIEScore'"),
        ("src.rewards.vie_score.VIEScor", "It offers: .*VIEScore"),
        ("src.rewards.vie_scor.VIEScore", "Did you mean 'src.rewards.vie_score'"),
        ("src.rewards.six_dimension_rewrad.SixDimensionReward", "Did you mean 'src.rewards.six_dimension_reward'"),
        ("src.rewards.category_scorer.CategoryScore", "Did you mean 'CategoryScorer'"),
        ("src.rewards.scorers.vi.VIEScorer", "Did you mean 'src.rewards.scorers.vie'"),
    ],
)
def test_a_misspelt_path_of_before_is_explained(path: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        load_class(path, Scorer)


def test_classes_that_old_imports_give_are_those_of_today() -> None:
    import src.rewards.base
    import src.rewards.verdict
    from src.rewards.base import EditedSample as EditedBefore
    from src.rewards.base import Scorer as ScorerBefore
    from src.rewards.vie_score import VIEScore

    from src.rewards import base

    assert base is src.rewards.base
    assert (ScorerBefore, EditedBefore, VIEScore) == (Scorer, EditedSample, VIEScorer)
    assert isinstance(edit(), EditedBefore)
    assert issubclass(VIEScore, ScorerBefore)
    assert isinstance(src.rewards.verdict.failed(verdict_today.Status.REFUSED, "no"), verdict_today.Verdict)


def test_an_old_import_works_first_thing_in_a_fresh_python() -> None:
    code = "import src.rewards.base as b; from src.rewards.core.scorer import Scorer; assert b.Scorer is Scorer"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


OLD_PLUGIN = """
from src.rewards.base import EditedSample
from src.rewards.judged_scorer import Inquiry, JudgedScorer


class Wet(JudgedScorer):
    FOLDER = "vie_score"
    PROMPTS = ("perceptual_quality",)

    def inquiries(self, sample):
        return [
            Inquiry("You judge.", "wet?", "toy v1", ("wet",)),
            self.edit_inquiry("perceptual_quality", ("naturalness",), sample, shows=("edited",)),
        ]

    def conclude(self, edit, values):
        assert isinstance(edit, EditedSample)
        return values["wet"], values
"""


def test_a_scorer_that_was_written_before_judges_as_it_did() -> None:
    names: dict[str, Any] = {"__name__": "old_plugin"}
    exec(OLD_PLUGIN, names)
    scorer = judged(names["Wet"], {"wet?": ["Score: 6"], "": ["Score: 2"]})
    (verdict,) = scorer.score([edit()])
    assert (verdict.score, verdict.dimensions) == (6.0, {"wet": 6.0, "naturalness": 2.0})
    assert question_key(scorer.question(sample()))[0][:3] == ["You judge.", "wet?", "toy v1"]


def test_a_task_that_was_written_before_raises_what_is_caught_today() -> None:
    from src.training.tasks.base import UnparsableCompletion, Unreadable

    assert Unreadable is UnparsableCompletion


def test_a_scorer_that_says_nothing_of_what_to_ask_is_still_abstract() -> None:
    class Nothing(JudgedScorer): ...

    with pytest.raises(TypeError, match="judge_prompts"):
        Nothing({}, ScorerSetting())  # type: ignore[abstract]


class Plain(Scorer):
    def question(self, sample: Any) -> list[JudgePrompt]:
        return []

    def score(self, batch: list[EditedSample]) -> list[verdict_today.Verdict]:
        return []
