"""What would end a training at its end, or in its first step, is found before anything loads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.errors import ConfigError, DataError, EditLoopError, ModelError
from src.training.check import check_training
from src.training.config import PolicySettings, TrainingConfig, load_training_config, parse_training_config
from src.training.policy_check import check_policy
from src.training.train import train
from src.training.validate import validate
from tests.conftest import item
from tests.tiny_policies import policy_folder

__all__ = ["policy_folder"]

MakeRun = Callable[..., TrainingConfig]
MINIATURE = Path("configs/training/miniature_rewrite.yaml")
REFERENCE = "src.rewards.scorers.reference.ReferenceScorer"
ORACLE = "src.miniature.oracle_scorer.OracleScorer"
VQA = {"class_path": "src.training.tasks.vqa.VQATask"}
VQA_REWARD = {"class_path": "src.rewards.scorers.vqa.VQAScorer"}


@pytest.fixture
def make_run(tmp_path: Path, write_benchmark: Callable[..., Path], policy_folder: Path) -> MakeRun:
    """A run whose editor cannot be built, so that reaching it is an error of another kind."""

    def make(items: list[dict[str, Any]] | None = None, **sections: Any) -> TrainingConfig:
        data = write_benchmark(items or [item(index) for index in range(12)])
        config: dict[str, Any] = {
            "policy": {"model": str(policy_folder)},
            "data": {"train": str(data), "held_out": 0.3},
            "diffusion_model": {"class_path": "tests.training_plugins.UnbuildableEditor"},
            "reward_model": {"class_path": "tests.training_plugins.DelayedJudge"},
            "training": {"output_dir": str(tmp_path / "out"), "grpo": {"max_steps": 1, "report_to": "none"}},
        }
        return parse_training_config(config | sections, "test")

    return make


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"scorer": {"class_path": "src.miniature.oracle_scorer.OracelScore"}}, "Did you mean 'OracleScorer'"),
        ({"scorer": {"class_path": REFERENCE, "params": {"n": 1}}}, r"scorer\.params"),
        (
            {
                "scorer": {"class_path": "src.rewards.scorers.category.CategoryScorer"},
                "reward_model": {"class_path": "tests.training_plugins.DelayedJugde"},
            },
            "Did you mean 'DelayedJudge'",
        ),
        ({"scorer": {"class_path": "src.rewards.scorers.category.CategoryScorer"}}, r"add reward_model\.class_path"),
        ({"reward_model": {"class_path": "tests.training_plugins.DelayedJudge"}}, r"add evaluation\.scorer"),
        (
            {
                "scorer": {"class_path": "src.rewards.scorers.vie.VIEScorer"},
                "reward_model": {
                    "class_path": "src.models.reward.implementations.openai_reward.OpenAIRewardModel",
                    "params": {"api_key_env": "NO_SUCH_KEY"},
                },
            },
            "set the environment variable NO_SUCH_KEY",
        ),
        (
            {"diffusion_params": {"num_inference_step": 4}},
            r"(?s)^section evaluation.*num_inference_step: ",
        ),
    ],
)
def test_whatever_is_wrong_with_the_evaluation_is_found_before_the_data_are_read(
    make_run: MakeRun, evaluation: dict[str, Any], message: str
) -> None:
    config = make_run(data={"train": "no-such-file.json", "held_out": 0.3}, evaluation=evaluation)
    with pytest.raises(EditLoopError, match=message):
        train(config)


def test_the_key_of_an_editor_behind_an_api_is_looked_for_before_the_data_are_read(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    editor = {"class_path": "src.models.diffusion.implementations.openai_image_edit.OpenAIImageEditModel"}
    with pytest.raises(ModelError, match="set the environment variable OPENAI_API_KEY"):
        validate(make_run(diffusion_model=editor))


def test_an_evaluation_that_does_not_happen_is_not_looked_at(make_run: MakeRun) -> None:
    broken = {"scorer": {"class_path": "no.such.Scorer"}}
    validate(make_run(evaluation=broken | {"enabled": False}))
    with pytest.raises(ConfigError, match=r"no\.such"):
        validate(make_run(evaluation=broken))


@pytest.mark.parametrize("absent", [{"data": {"held_out": None}}, {"evaluation": {"enabled": False}}, {}])
def test_a_judge_of_the_comparison_without_a_scorer_is_refused_whether_or_not_anything_is_compared(
    make_run: MakeRun, absent: dict[str, Any]
) -> None:
    judge = {"class_path": "tests.training_plugins.DelayedJudge"}
    config = make_run(evaluation={"reward_model": judge, **absent.get("evaluation", {})})
    data = config.data.model_copy(update=absent.get("data", {}))
    with pytest.raises(ConfigError, match=r"add evaluation\.scorer\.class_path \(and params\), or leave it out"):
        validate(config.model_copy(update={"data": data}))


def test_settings_of_edits_are_refused_where_answers_are_compared(make_run: MakeRun, tmp_path: Path) -> None:
    sections = {"task": VQA, "diffusion_model": None, "reward_model": None, "scorer": VQA_REWARD}
    validate(make_run(**sections))
    with pytest.raises(ConfigError, match=r"evaluation\.diffusion_params: VQATask edits nothing"):
        validate(make_run(**sections, evaluation={"diffusion_params": {"resolution": 64}}))
    plain = VQA_REWARD | {"params": {"style": "plain"}}
    with pytest.raises(ConfigError, match="VQAScorer with style plain"):
        validate(make_run(**sections, evaluation={"scorer": plain}))


def test_an_evaluation_scorer_that_can_score_none_of_the_held_out_samples_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(DataError, match=r"evaluation\.scorer, on the held-out samples: OracleScorer can score none"):
        train(make_run(evaluation={"scorer": {"class_path": ORACLE}}))


def test_a_training_scorer_that_can_score_none_of_the_samples_is_refused(make_run: MakeRun) -> None:
    bare = [item(index, reference_img_b64=None) for index in range(12)]
    with pytest.raises(DataError, match=r"training data: ReferenceScorer can score none of .* no reference image"):
        train(make_run(bare, scorer={"class_path": REFERENCE}))


def test_samples_that_a_scorer_cannot_score_among_others_are_counted(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    some = [item(index, **({"reference_img_b64": None} if index < 3 else {})) for index in range(12)]
    with pytest.raises(ModelError, match="is not built"):
        train(make_run(some, scorer={"class_path": REFERENCE}, data={"train": make_run(some).data.train}))
    assert "ReferenceScorer can score 9 of 12 samples; of 3: the sample has no reference image" in caplog.text


def test_a_comparison_that_leaves_the_form_out_is_said_before_the_training(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [{"class_path": REFERENCE}, {"class_path": "src.rewards.scorers.format.FormatScorer", "name": "form"}]
    scorer = {"class_path": "src.rewards.scorers.combined.CombinedScorer", "params": {"parts": parts}}
    with pytest.raises(ModelError, match="is not built"):
        train(make_run(scorer=scorer))
    (said,) = (record.message for record in caplog.records if "left out of the score" in record.message)
    assert said.startswith("scorer, on the held-out samples: left out of the score of ")
    assert "form: a benchmark has no policy's text" in said


def test_a_category_for_which_the_judge_has_no_prompt_is_found_before_the_first_step(make_run: MakeRun) -> None:
    items = [item(index, subset="weather") for index in range(12)]
    judge = {"class_path": "tests.training_plugins.PromptedJudge"}
    with pytest.raises(DataError, match=r"needs a prompt for category 'weather'"):
        train(make_run(items, reward_model=judge))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nonsense", r"policy\.attn_implementation: transformers has no attention 'nonsense', only .*\bsdpa\b"),
        ("paged|eager", r"transformers has no attention 'paged\|eager', only (?!.*paged\|sdpa)"),
        ("flash_attention_2", "needs the package flash_attn"),
        ("flash_attention_7", "has no attention 'flash_attention_7'"),
        ("somebody/kernel", "needs the package kernels"),
    ],
)
def test_an_attention_that_cannot_be_had_is_found_before_the_data_are_read(
    make_run: MakeRun, policy_folder: Path, name: str, reason: str
) -> None:
    policy = {"model": str(policy_folder), "attn_implementation": name}
    with pytest.raises(ConfigError, match=reason):
        train(make_run(policy=policy, data={"train": "no-such-file.json"}))


def test_an_attention_that_the_policy_does_not_support_is_found_without_loading_weights(
    policy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedModel

    check_policy(PolicySettings(model=str(policy_folder), attn_implementation="eager"))
    monkeypatch.setattr(PreTrainedModel, "_sdpa_can_dispatch", _refuse)
    with pytest.raises(ConfigError, match=r"policy\.attn_implementation: \w+ has no sdpa \(not by this one\)"):
        check_policy(PolicySettings(model=str(policy_folder), attn_implementation="sdpa"))


def _refuse(*given: object) -> None:
    raise ValueError("not by this one")


def test_an_adapter_on_the_head_which_the_trainer_would_refuse_is_found_without_loading_weights(
    policy_folder: Path,
) -> None:
    lora = {"target_modules": ["q_proj", "lm_head"]}
    with pytest.raises(ConfigError, match="lm_head would never be trained"):
        check_policy(PolicySettings(model=str(policy_folder), lora=lora))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"shfit": 3.0}, "Did you mean 'shift'"),
        ({"shift": "nonsense"}, r"scheduler_config\.shift: 'nonsense' is no value like the checkpoint's own"),
        ({"use_dynamic_shifting": 3}, "use_dynamic_shifting: 3 is no value like"),
        ({"time_shift_type": "nonsense"}, "cannot work with .*time_shift_type"),
        ({"num_train_timesteps": 0}, "cannot work with|not finite"),
    ],
)
def test_a_scheduler_of_the_evaluation_that_does_not_suit_is_found_before_the_data_are_read(
    make_run: MakeRun, settings: dict[str, Any], reason: str
) -> None:
    editor = {
        "class_path": "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel",
        "params": {"model_name": "assets/miniature/editor"},
    }
    data = {"train": "no-such-file.json", "held_out": 0.3}
    with pytest.raises(ConfigError, match=rf"(?s)^section evaluation.*({reason})"):
        train(
            make_run(diffusion_model=editor, data=data, evaluation={"diffusion_params": {"scheduler_config": settings}})
        )


@pytest.mark.parametrize("targets", [r".*\.q_projection$", ["q_projection"], ["q_proj", "q_projection"]])
def test_an_adapter_whose_target_modules_name_nothing_is_found_without_loading_weights(
    make_run: MakeRun, policy_folder: Path, targets: Any
) -> None:
    lora = {"r": 2, "target_modules": targets}
    with pytest.raises(ConfigError, match="q_projection"):
        train(make_run(policy={"model": str(policy_folder), "lora": lora}))
    check_policy(PolicySettings(model=str(policy_folder), lora={"target_modules": ["q_proj", "v_proj"]}))  # type: ignore[arg-type]


def test_an_output_directory_that_cannot_be_written_is_found_and_not_created(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    training = {"output_dir": str(tmp_path / "file" / "out"), "grpo": {"report_to": "none"}}
    with pytest.raises(EditLoopError, match=r"output_dir .*file/out cannot be written"):
        validate(make_run(training=training))
    validate(make_run())
    assert not (tmp_path / "out").exists()


def test_a_missing_vllm_is_found_before_anything_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "vllm" else find(name, *rest))
    config = load_training_config(MINIATURE, ["training.grpo.use_vllm=true"])
    with pytest.raises(ModelError, match=r"the package vllm is missing.*pip install"):
        validate(config)


JUDGE = "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel"


@pytest.mark.parametrize("where", ["reward_model", "evaluation"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"model_name": "assets/miniature/judge", "device": "cuda:99"}, "reward_model: device 'cuda:99' is asked for"),
        ({"model_name": "assets/miniature/judge", "device": "gpu0"}, "is no device of torch"),
        ({"model_name": "assets/miniature/editor"}, "is no vision-language model"),
        ({"model_name": "assets/miniature/judge", "use_flash_attention": True}, "needs the package flash_attn"),
    ],
)
def test_a_judge_that_cannot_be_loaded_is_found_before_the_training(
    make_run: MakeRun, where: str, params: dict[str, Any], message: str
) -> None:
    judge = {"class_path": JUDGE, "params": params}
    scorer = {"class_path": "src.rewards.scorers.category.CategoryScorer"}
    sections = (
        {"reward_model": judge} if where == "reward_model" else {where: {"reward_model": judge, "scorer": scorer}}
    )
    config = make_run(scorer=scorer, **sections)
    with pytest.raises(EditLoopError, match=message):
        train(config)
    assert not config.training.output_dir.exists()


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("policy.revision=v999", r"revision: assets/miniature/policy is a folder .* no revision 'v999'"),
        (
            "policy.model=assets/miniature/editor",
            r"^policy\.model: assets/miniature/editor is no vision-language model",
        ),
        ("logging.log_file=/proc/nope/x.log", r"the log /proc/nope/x\.log cannot be written"),
        ("evaluation.diffusion_params.output_resolution=1000000", r"(?s)output_resolution.*8192"),
        ("evaluation.max_new_tokens=100000000", r"evaluation\.max_new_tokens: .*exceed the 1024 positions"),
        ("training.grpo.max_completion_length=10000000", r"grpo\.max_completion_length: .*exceed the 1024 positions"),
        ("training.grpo.generation_kwargs={suppress_tokens: [1536]}", r"the policy has 1536 tokens, .* no 1536"),
        ("training.grpo.chat_template_kwargs={foo: 1}", r"chat template has no variable foo, only .*messages"),
    ],
)
def test_check_and_train_refuse_what_the_policy_or_this_machine_cannot(
    override: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_training_config(MINIATURE, [override, f"training.output_dir={tmp_path / 'out'}"])
    monkeypatch.setattr("src.training.train._train_policy", _refuse)
    for run in (lambda: list(check_training(config, MINIATURE)), lambda: train(config)):
        with pytest.raises(EditLoopError, match=reason):
            run()
    assert not list(tmp_path.glob("**/checkpoints"))


def test_variables_of_the_chat_template_and_a_log_that_can_be_written_are_taken(tmp_path: Path) -> None:
    log = tmp_path / "new" / "x.log"
    sets = ["training.grpo.chat_template_kwargs={add_generation_prompt: true}", f"logging.log_file={log}"]
    assert list(check_training(load_training_config(MINIATURE, sets), MINIATURE))
    assert not list(tmp_path.iterdir())
