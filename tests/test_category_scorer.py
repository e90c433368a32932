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
from src.errors import ConfigError
from src.pipeline.evaluation import evaluate
from src.rewards.base import EditedSample, ScorerSetting
from src.rewards.category_scorer import CategoryScorer
from src.rewards.judge_handle import JudgeHandle
from src.rewards.verdict import Status

SOURCE = Image.new("RGB", (4, 4), "red")
EDITED = Image.new("RGB", (4, 4), "blue")
INLINE = PromptConfig(
    system_prompt="Judge {json: 1}.", user_prompt_template="{original_description}|{edit_instruction}"
)


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
    assert scorer().question(sample(category="physical")) == scorer().question(sample(category="物理"))


def test_an_unknown_category_without_a_prompt_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"prompts\.magic\.system_prompt"):
        scorer().question(sample(category="magic"))


def test_plain_judges_still_need_a_prompt_for_every_category() -> None:
    made = CategoryScorer({}, ScorerSetting(JudgeHandle(ModelConfig(class_path="tests.plugins.PromptJudge"))))
    with pytest.raises(ConfigError, match="PromptJudge needs a prompt"):
        made.check_categories(["物理"])
    with pytest.raises(ConfigError, match="PromptJudge needs a prompt"):
        made.question(sample())


def test_everything_that_is_asked_is_part_of_the_key() -> None:
    made = scorer()
    question = made.question(sample())
    assert question == made.question(sample(reference=lazy(EDITED)))  # the reference is not shown
    others = [sample("drop it"), sample(rationale="the cup breaks"), sample(category="因果")]
    keys = [question, *map(made.question, others), scorer(language="zh").question(sample())]
    keys += [scorer(prompts={"物理": INLINE}, language=language).question(sample()) for language in ("en", "zh")]
    assert len({str(key) for key in keys}) == len(keys)
    assert question["template"].startswith("category/physical v1 ")


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
