"""A combination is the weighted mean of what is applicable, and nothing when a part has failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src.config import Config, ModelConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status, Verdict
from src.errors import ConfigError
from src.models.base import ModelParams
from src.pipeline.evaluation import evaluate
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import Completion, EditedSample, Scorer, ScorerSetting, question_key
from src.rewards.scorers.combined import CombinedScorer
from tests.conftest import item
from tests.judged_edits import build_scorer
from tests.test_resume import resumed, timings

IMAGE = Image.new("RGB", (8, 8))
EDIT = EditedSample(EditSample("a", 0, "物理", "tip it", "a cup", LazyImage(base64_text="")), IMAGE, IMAGE)
CATEGORY = "src.rewards.scorers.category.CategoryScorer"
REFERENCE = "src.rewards.scorers.reference.ReferenceScorer"
FORMAT = "src.rewards.scorers.format.FormatScorer"


class FixedScorer(Scorer):
    """Gives what its params say."""

    class Params(ModelParams):
        status: str = "scored"
        score: float | None = None
        batch_size: int = 1
        refuses: str = ""
        seconds: float = 0.0

    sizes: ClassVar[list[int]] = []
    running = 0
    most_running = 0
    _lock = threading.Lock()

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        return self.params.batch_size

    def check_categories(self, categories: Sequence[str]) -> None:
        if self.params.refuses in categories:
            raise ConfigError(f"nothing to say about {self.params.refuses}")

    def question(self, sample: EditSample) -> Any:
        return [sample.instruction, self.params.status]

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        cls = FixedScorer
        with cls._lock:
            cls.running += 1
            cls.most_running = max(cls.most_running, cls.running)
            cls.sizes.append(len(batch))
        time.sleep(self.params.seconds)
        status = Status(self.params.status)
        reason = None if status is Status.SCORED else f"it is {status.value}"
        given = Verdict(status, self.params.score, {"depth": 3.0}, reason, ("said",), {"calls": 1}, 0.5, "m")
        with cls._lock:
            cls.running -= 1
        return [given] * len(batch)


def part(score: float | None, weight: float = 1.0, status: str = "scored", **fields: Any) -> dict[str, Any]:
    params = {"score": score, "status": status} | fields.pop("params", {})
    return {"class_path": "tests.test_combined_scorer.FixedScorer", "params": params, "weight": weight, **fields}


def combined(*parts: dict[str, Any], setting: ScorerSetting | None = None) -> CombinedScorer:
    named = [{"name": f"p{position}", **one} for position, one in enumerate(parts)]
    made = build_scorer(
        ModelConfig(class_path="src.rewards.scorers.combined.CombinedScorer", params={"parts": named}),
        setting or ScorerSetting(),
    )
    assert isinstance(made, CombinedScorer)
    made.load()
    return made


@pytest.mark.parametrize(
    ("parts", "status", "score", "reason"),
    [
        ([part(8.0)], "scored", 8.0, None),
        ([part(8.0, 3), part(4.0, 1)], "scored", 7.0, None),
        ([part(8.0, 0.3), part(4.0, 0.1)], "scored", 7.0, None),
        ([part(10.0, 0.1), part(10.0, 0.3)], "scored", 10.0, None),
        ([part(8.0, 3), part(None, 5, "not_applicable"), part(4.0, 1)], "scored", 7.0, None),
        ([part(8.0), part(None, 9, "judge_failed")], "judge_failed", None, "p1: it is judge_failed"),
        ([part(None, 1, "not_applicable"), part(None, 1, "refused")], "refused", None, "p1: it is refused"),
        ([part(None, 1, "unparsable"), part(None, 1, "refused")], "unparsable", None, "p0: it is unparsable"),
        (
            [part(None, 1, "not_applicable")] * 2,
            "not_applicable",
            None,
            "no part is applicable (p0: it is not_applicable; p1: it is not_applicable)",
        ),
    ],
)
def test_parts_combine_by_their_status(
    parts: list[dict[str, Any]], status: str, score: float | None, reason: str | None
) -> None:
    (verdict,) = combined(*parts).score([EDIT])
    assert (verdict.status.value, verdict.reason) == (status, reason)
    assert verdict.score == (None if score is None else pytest.approx(score))


def test_a_verdict_keeps_what_every_part_said_and_cost() -> None:
    (verdict,) = combined(part(8.0), part(None, 1, "not_applicable"), part(4.0, name="form")).score([EDIT])
    assert verdict.dimensions == {
        "p0": 8.0,
        "p0.depth": 3.0,
        "p1": None,
        "p1.depth": 3.0,
        "form": 4.0,
        "form.depth": 3.0,
    }
    assert (verdict.replies, verdict.usage) == (("said",) * 3, {"calls": 3})
    assert (verdict.seconds, verdict.model) == (1.5, "m")


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(1e-6, 1e6)), min_size=1, max_size=6))
def test_the_mean_lies_between_the_lowest_and_the_highest_part(parts: list[tuple[float, float]]) -> None:
    (verdict,) = combined(*(part(score, weight) for score, weight in parts)).score([EDIT])
    scores = [score for score, _ in parts]
    assert verdict.score is not None
    assert min(scores) - 1e-9 <= verdict.score <= max(scores) + 1e-9


def test_every_part_gets_batches_of_the_size_that_it_wants() -> None:
    made = combined(part(1.0, params={"batch_size": 5}), part(1.0, params={"batch_size": 2}))
    FixedScorer.sizes.clear()
    assert len(made.score([EDIT] * 5)) == made.batch_size == 5
    assert FixedScorer.sizes == [5, 2, 2, 1]


def test_a_part_is_never_called_more_often_at_once_than_it_allows() -> None:
    made = combined(part(1.0, params={"seconds": 0.02}))
    FixedScorer.most_running = 0
    threads = [threading.Thread(target=made.score, args=([EDIT],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert FixedScorer.most_running == 1


def test_identity_question_and_prompts_are_those_of_the_parts() -> None:
    one, other = combined(part(1.0, 2), part(1.0, 2)), combined(part(1.0, 7), part(1.0, 7))
    assert one.identity() == other.identity()
    assert one.identity() != combined(part(1.0, 2), part(1.0, 3)).identity()
    assert one.identity() != combined(part(1.0, 2), part(2.0, 2)).identity()
    assert question_key(one.question(EDIT.sample)) == [["tip it", "scored"]] * 2
    judge = JudgeHandle(ModelConfig(class_path="tests.scripted_judge.ScriptedJudge", params={"script": {}}))
    with_prompts = combined({"class_path": CATEGORY}, setting=ScorerSetting(judge))
    assert "category/physical v1" in with_prompts.prompt_versions()


def test_a_category_must_suit_every_part() -> None:
    made = combined(part(1.0), part(1.0, params={"refuses": "社会"}))
    made.check_categories(["物理"])
    with pytest.raises(ConfigError, match="nothing to say about 社会"):
        made.check_categories(["物理", "社会"])


def test_all_parts_share_one_judge() -> None:
    judge = JudgeHandle(
        ModelConfig(class_path="tests.scripted_judge.ScriptedJudge", params={"script": {"": ["Score: 6"]}})
    )
    made = combined({"class_path": CATEGORY}, {"class_path": CATEGORY}, setting=ScorerSetting(judge))
    made.load()
    (verdict,) = made.score([EDIT])
    assert verdict.score == 6.0
    assert len(judge.model.asked) == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "parts: "),
        ([part(1.0, weight=0)], "parts.0.weight"),
        (
            [part(1.0, name="first"), part(1.0, params={"scor": 1})],
            r"scorer\.params\.parts\[1\]\.params of FixedScorer",
        ),
        ([{"class_path": REFERENCE, "wieght": 1}], "Did you mean 'weight'"),
        ([{"class_path": "src.rewards.scorers.reference.ReferenceScor"}], "Did you mean 'ReferenceScorer'"),
        ([part(1.0, name="same"), part(1.0, name="same")], r"parts\[1\]: another part is called 'same'"),
        ([{"class_path": CATEGORY}], "asks a judge"),
    ],
)
def test_what_is_wrong_with_a_part_is_found_on_construction(parts: list[dict[str, Any]], message: str) -> None:
    config = ModelConfig(class_path="src.rewards.scorers.combined.CombinedScorer", params={"parts": parts})
    with pytest.raises(ConfigError, match=message):
        build_scorer(config, ScorerSetting())


def test_a_run_combines_a_judge_with_the_reference(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    data = write_benchmark([item(0), item(1, reference_img_b64=None)])
    judge = {"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": {"": ["Score: 8"]}}}
    first = make_config(data, reward_model=judge)
    evaluate(first)
    parts = [{"class_path": CATEGORY, "weight": 3, "name": "judge"}, {"class_path": REFERENCE, "name": "exact"}]
    section = {"class_path": "src.rewards.scorers.combined.CombinedScorer", "params": {"parts": parts}}
    again = evaluate(resumed(make_config(data, reward_model=judge, scorer=section)))
    assert timings(again) == (0, 2, 2, 0)
    with_reference, without = again.report["samples"]
    assert with_reference["score"] == pytest.approx((3 * 8 + with_reference["dimensions"]["exact"]) / 4)
    assert without["score"] == pytest.approx(8.0)
    assert without["dimensions"]["exact"] is None


def test_texts_are_scored_by_parts_that_score_texts() -> None:
    combined = CombinedScorer(
        {
            "parts": [
                {"class_path": "src.rewards.scorers.vqa.VQAScorer", "weight": 3, "name": "right"},
                {"class_path": FORMAT, "params": {"style": "think_answer"}, "weight": 1, "name": "form"},
            ]
        }
    )
    combined.check_texts_suffice()
    right, wrong = combined.score_completions(
        [Completion(f"<think>a</think><answer>{answer}</answer>", "yes") for answer in ("yes", "no")]
    )
    assert (right.score, right.dimensions["right"], right.dimensions["form"]) == (10.0, 10.0, 10.0)
    assert wrong.score == pytest.approx(10 * 1 / 4)
    with pytest.raises(ConfigError, match="part 'edits' of CombinedScorer scores edits"):
        CombinedScorer({"parts": [{"class_path": REFERENCE, "name": "edits"}]}).check_texts_suffice()


def test_an_answer_reward_among_scorers_of_edits_is_left_out() -> None:
    parts = [part(4.0), {"class_path": "src.rewards.scorers.vqa.VQAScorer", "weight": 9}]
    combined = CombinedScorer({"parts": parts})
    combined.load()
    (verdict,) = combined.score([EDIT])
    assert (verdict.status, verdict.score) == (Status.SCORED, 4.0)
