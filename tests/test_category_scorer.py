from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from src.config import Config, ModelConfig, PromptConfig
from src.data.image import LazyImage
from src.data.sample import EditSample
from src.data.verdict import Status
from src.errors import ConfigError
from src.models.reward.base_reward import BaseRewardModel
from src.pipeline.evaluation import evaluate
from src.rewards.core.judge_handle import JudgeHandle
from src.rewards.core.scorer import EditedSample, ScorerSetting, question_key
from src.rewards.scorers.category import CategoryScorer
from src.rewards.scorers.vie import VIEScorer

SOURCE = Image.new("RGB", (4, 4), "red")
EDITED = Image.new("RGB", (4, 4), "blue")
INLINE = PromptConfig(
    system_prompt="Judge {json: 1}.", user_prompt_template="{original_description}|{edit_instruction}"
)


class PlainJudge(BaseRewardModel):
    needs_prompts = False

    def _initialize(self) -> None: ...

    def score(self, *args: Any, **kwargs: Any) -> float:
        return 5.0


class ReferencedJudge(PlainJudge):
    def score(self, *args: Any, reference_image: Image.Image | None = None, **kwargs: Any) -> float:
        return 5.0


def sample(instruction: str = "tip it over", category: str = "物理", **changes: Any) -> EditSample:
    fields = {"rationale": "tea runs out", **changes}
    return EditSample(instruction, 0, category, instruction, "a red cup", lazy(SOURCE), **fields)


def lazy(image: Image.Image) -> LazyImage:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return LazyImage.from_bytes(buffer.getvalue())


def scorer(script: dict[str, list[Any]] | None = None, judge: str = "ScriptedJudge", **changes: Any) -> CategoryScorer:
    config = ModelConfig(class_path=f"tests.scripted_judge.{judge}", params={"script": script or {"": ["Score: 7"]}})
    made = CategoryScorer({}, ScorerSetting(JudgeHandle(config), **changes))
    made.load()
    return made


def asked(made: CategoryScorer) -> list[list[Any]]:
    return made.setting.judge.model.asked  # type: ignore[union-attr]


def test_a_vision_language_judge_is_asked_the_shipped_rubric_of_the_category() -> None:
    made = scorer()
    (verdict,) = made.score([EditedSample(sample(), SOURCE, EDITED)])
    assert (verdict.status, verdict.score, verdict.replies) == (Status.SCORED, 7.0, ("Score: 7",))
    assert (verdict.usage, verdict.model) == ({"calls": 1, "cost": 0.25}, "scripted-0")
    ((question,),) = asked(made)
    assert "gravity" in question.system_prompt
    assert "Instruction: tip it over" in question.text
    assert "What a right edit shows: tea runs out" in question.text
    assert [shown.image for shown in question.images] == [SOURCE, EDITED]


def test_the_shipped_rubric_and_the_image_labels_are_in_the_language_of_the_run() -> None:
    made = scorer(language="zh")
    made.score([EditedSample(sample(), SOURCE, EDITED)])
    ((question,),) = asked(made)
    assert "重力" in question.system_prompt
    assert [shown.label for shown in question.images] == ["编辑前的图像：", "编辑后的图像："]


def test_prompts_of_the_config_go_before_the_shipped_ones() -> None:
    made = scorer(prompts={"物理": INLINE})
    made.score([EditedSample(sample(), SOURCE, EDITED)])
    ((question,),) = asked(made)
    assert (question.system_prompt, question.text) == ("Judge {json: 1}.", "a red cup|tip it over")


def test_a_category_may_be_called_by_the_name_of_its_rubric() -> None:
    assert question_key(scorer().question(sample(category="physical"))) == question_key(
        scorer().question(sample(category="物理"))
    )


@pytest.mark.parametrize("written", ["物理", "physical", "Physical"])
@pytest.mark.parametrize("stated", ["物理", "physical", "PHYSICAL"])
def test_prompts_of_the_config_serve_a_category_by_either_of_its_names(written: str, stated: str) -> None:
    question = question_key(scorer(prompts={"因果": INLINE, written: INLINE}).question(sample(category=stated)))
    assert question["system"] == INLINE.system_prompt
    assert question_key(scorer().question(sample(category=stated))) == question_key(
        scorer().question(sample(category="物理"))
    )


def test_an_unknown_category_without_a_prompt_is_a_config_error() -> None:
    with pytest.raises(
        ConfigError, match=r"prompts\.magic\.system_prompt.*There are prompts for: own, 物理 physical, "
    ):
        question_key(scorer(prompts={"own": INLINE}).question(sample(category="magic")))


def test_plain_judges_still_need_a_prompt_for_every_category() -> None:
    made = CategoryScorer({}, ScorerSetting(JudgeHandle(ModelConfig(class_path="tests.plugins.PromptJudge"))))
    with pytest.raises(ConfigError, match="PromptJudge needs a prompt"):
        made.check_categories(["物理"])
    with pytest.raises(ConfigError, match="PromptJudge needs a prompt"):
        question_key(made.question(sample()))


def test_another_grammar_makes_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scorer()
    before = question_key(made.question(sample()))
    monkeypatch.setattr("src.rewards.scorers.category.GRAMMAR", "of tomorrow")
    assert question_key(made.question(sample())) != before


@pytest.mark.parametrize(
    ("judge", "status"), [("PlainJudge", Status.SCORED), ("ReferencedJudge", Status.NOT_APPLICABLE)]
)
def test_a_damaged_reference_costs_only_the_verdict_of_a_judge_that_gets_it(judge: str, status: Status) -> None:
    config = ModelConfig(class_path=f"tests.test_category_scorer.{judge}")
    made = CategoryScorer({}, ScorerSetting(JudgeHandle(config)))
    made.load()
    (verdict,) = made.score([EditedSample(sample(reference=LazyImage(base64_text="?")), SOURCE, EDITED)])
    assert verdict.status is status


def test_everything_that_is_asked_is_part_of_the_key() -> None:
    made = scorer()
    question = question_key(made.question(sample()))
    others = [sample("drop it"), sample(rationale="the cup breaks"), sample(category="因果")]
    others += [sample(reference=lazy(picture)) for picture in (SOURCE, EDITED)]
    keys = [
        question,
        *(question_key(made.question(one)) for one in others),
        question_key(scorer(language="zh").question(sample())),
    ]
    keys += [
        question_key(scorer(prompts={"物理": INLINE}, language=language).question(sample()))
        for language in ("en", "zh")
    ]
    assert len({str(key) for key in keys}) == len(keys)
    assert question["template"].startswith("category/physical v1 ")


OPENAI = "src.models.reward.implementations.openai_reward.OpenAIRewardModel"
LOCAL = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"


def unloaded(judge: str, params: dict[str, Any], **scorer_params: Any) -> CategoryScorer:
    return CategoryScorer(scorer_params, ScorerSetting(JudgeHandle(ModelConfig(class_path=judge, params=params))))


@pytest.mark.parametrize(
    ("language", "label", "words"),
    [
        ("en", "A right result, for comparison:", "The last image is one right result"),
        ("zh", "用于比较的正确结果：", "最后一幅图像"),
    ],
)
def test_the_judge_sees_the_reference_where_there_is_one_and_is_told_what_it_is_for(
    language: Any, label: str, words: str
) -> None:
    made = scorer(language=language)
    reference = Image.new("RGB", (8, 8), "green")
    edits = [EditedSample(sample(reference=lazy(reference)), SOURCE, EDITED), EditedSample(sample(), SOURCE, EDITED)]
    assert [verdict.score for verdict in made.score(edits)] == [7.0, 7.0]
    ((with_it, without),) = asked(made)
    assert [shown.image.getpixel((0, 0)) for shown in with_it.images] == [(255, 0, 0), (0, 0, 255), (0, 128, 0)]
    assert with_it.images[-1].label == label
    assert words in with_it.text
    assert len(without.images) == 2
    assert words not in without.text


@pytest.mark.parametrize("name", ["物理", "physical"])
def test_a_prompt_of_the_config_is_not_shown_a_reference_that_it_cannot_speak_of(name: str) -> None:
    made = scorer(prompts={name: INLINE})
    made.score([EditedSample(sample(reference=lazy(EDITED)), SOURCE, EDITED)])
    ((question,),) = asked(made)
    assert len(question.images) == 2
    assert question_key(made.question(sample())) == question_key(made.question(sample(reference=lazy(EDITED))))


def test_an_unreadable_reference_leaves_its_edit_alone_without_a_verdict() -> None:
    made = scorer()
    broken = LazyImage.from_bytes(b"no picture")
    edits = [EditedSample(sample(reference=broken), SOURCE, EDITED), EditedSample(sample(), SOURCE, EDITED)]
    bad, good = made.score(edits)
    assert (bad.status, good.score) == (Status.NOT_APPLICABLE, 7.0)
    assert "the reference image cannot be used" in str(bad.reason)


@pytest.mark.parametrize(
    ("judge", "params"), [(OPENAI, {"base_url": "http://127.0.0.1:9/v1"}), (LOCAL, {"model_name": "none"})]
)
def test_a_judge_can_be_kept_from_the_reference_and_the_key_says_so(judge: str, params: dict[str, Any]) -> None:
    shown = question_key(unloaded(judge, params).question(sample(reference=lazy(EDITED))))
    hidden = unloaded(judge, params | {"compare_with_reference": False})
    assert "reference" in shown
    assert question_key(hidden.question(sample(reference=lazy(EDITED)))) == question_key(hidden.question(sample()))


@pytest.mark.parametrize(
    ("judge", "params"), [(OPENAI, {"base_url": "http://127.0.0.1:9/v1"}), (LOCAL, {"model_name": "none"})]
)
def test_repeats_of_a_greedy_judge_are_refused_before_it_loads(judge: str, params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"repeats: 5 replies of .* temperature 0"):
        unloaded(judge, params | {"temperature": 0}, repeats=5)
    handle = JudgeHandle(ModelConfig(class_path=judge, params=params | {"temperature": 0}))
    with pytest.raises(ConfigError, match=r"repeats: 3 replies"):
        VIEScorer({"repeats": 3}, ScorerSetting(handle))
    assert unloaded(judge, params | {"temperature": 0.7}, repeats=5).params.repeats == 5
    assert unloaded(judge, params | {"temperature": 0}).params.repeats == 1


def test_a_whole_batch_is_asked_at_once_and_answered_in_order() -> None:
    made = scorer({"kick": ["hm", "Score: 1"], "wash": [{"refusal": "no"}], "fill": ["Score: 3"]})
    batch = [EditedSample(sample(f"{word} cup"), SOURCE, EDITED) for word in ("kick", "wash", "fill")]
    verdicts = made.score(batch)
    assert [verdict.score for verdict in verdicts] == [1.0, None, 3.0]
    assert [verdict.status for verdict in verdicts] == [Status.SCORED, Status.REFUSED, Status.SCORED]
    assert [len(call) for call in asked(made)] == [3, 1]


def test_a_judge_that_does_not_compare_sees_the_edit_alone() -> None:
    made = scorer(judge="BlindJudge")
    made.score([EditedSample(sample(), SOURCE, EDITED)])
    ((question,),) = asked(made)
    assert [shown.image for shown in question.images] == [EDITED]


def test_a_run_without_prompts_is_judged_by_the_shipped_rubrics(
    write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    script = {"change to 3": ["I will not say"], "change to": ["Fine.\nScore: 6.5"]}
    config = make_config(
        write_benchmark(5),
        benchmark={"categories": ["物理", "环境", "社会", "因果", "指代"]},
        reward_model={"class_path": "tests.scripted_judge.ScriptedJudge", "params": {"script": script}},
    )
    overall = evaluate(config).report["overall_statistics"]
    assert (overall["mean"], overall["num_samples"], overall["total"]) == (6.5, 4, 5)
