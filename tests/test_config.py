from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from src.commands import config_options
from src.config import Config, load_config, parse_config
from src.config_file import apply_override
from src.errors import ConfigError
from src.redaction import redact
from src.section import Section
from src.training.config import LoraSettings, TrainingConfig, parse_training_config

MINIMAL: dict[str, Any] = {
    "benchmark": {"data_path": "data.json"},
    "diffusion_model": {"class_path": "a.B"},
    "reward_model": {"class_path": "c.D"},
}

OLD_YAML = """
benchmark:
  data_path: data/benchmark.json
  categories: [物理, 环境, 社会, 因果, 指代]
diffusion_model:
  type: qwen_image_edit
  class_path: src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel
  params: {model_name: Qwen/Qwen-Image-Edit, device: cuda, dtype: bfloat16, num_inference_steps: 15,
           true_cfg_scale: 4.0, negative_prompt: " ", seed: 0, disable_progress_bar: true}
reward_model:
  type: qwen3_vl
  class_path: src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel
  params: {model_name: Qwen/Qwen3-VL-30B-A3B-Instruct, device: auto, max_new_tokens: 128}
prompts:
  物理: {system_prompt: judge physics, user_prompt_template: "{original_description} {edit_instruction}"}
evaluation:
  save_generated_images: true
  output_dir: outputs
  results_dir: outputs/results
  images_dir: outputs/images
  logs_dir: outputs/logs
  resume_from_checkpoint: false
  checkpoint_path: outputs/checkpoint.json
  enable_checkpoint: true
  checkpoint_interval: 10
  metrics: [mean, std, median, min, max, count]
logging: {level: INFO, console_output: true, file_output: true, log_file: x.log, save_to_file: true, log_dir: logs}
runtime: {num_workers: 1, use_multiprocessing: false, seed: 42}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_of_the_older_benchmark_is_accepted(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, OLD_YAML))
    assert config.evaluation.results == Path("outputs/results")
    assert config.diffusion_model.params["seed"] == 0, "it wins over runtime.seed: see test_editor_plan.py"


@pytest.mark.parametrize(
    ("section", "key", "suggestion"),
    [
        ("benchmark", "data_pth", "data_path"),
        ("evaluation", "ouput_dir", "output_dir"),
        ("reward_model", "classpath", "class_path"),
        ("runtime", "sed", "seed"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(section: str, key: str, suggestion: str) -> None:
    data = {**MINIMAL, section: {**MINIMAL.get(section, {}), key: 1}}
    with pytest.raises(ConfigError, match=rf"{section}\.{key}: unknown key\. Did you mean '{suggestion}'\?"):
        parse_config(data, "x.yaml")


def test_an_unknown_key_below_a_category_prompt_is_refused_with_the_nearest_known_one() -> None:
    prompts = {"物理": {"system_prompt": "a", "user_prompt": "b"}}
    with pytest.raises(
        ConfigError, match=r"prompts\.物理\.user_prompt: unknown key\. Did you mean 'user_prompt_template'"
    ):
        parse_config({**MINIMAL, "prompts": prompts}, "x.yaml")


def test_all_faults_of_a_config_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"benchmark": {"limit": 0}, "diffusion_model": {}, "extra": 1}, "x.yaml")
    for part in (
        "benchmark.data_path: required",
        "benchmark.limit",
        "diffusion_model.class_path",
        "extra: unknown key",
    ):
        assert part in str(caught.value)


def test_environment_variables_are_filled_in_and_defaults_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITLOOP_DATA", "/d")
    config = parse_config({**MINIMAL, "benchmark": {"data_path": "${EDITLOOP_DATA}/${EDITLOOP_NONE:-b.json}"}}, "x")
    assert config.benchmark.data_path == "/d/b.json"


def test_an_unset_environment_variable_is_named_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDITLOOP_MISSING", raising=False)
    data = {**MINIMAL, "reward_model": {"class_path": "a.B", "params": {"keys": ["${EDITLOOP_MISSING}"]}}}
    with pytest.raises(ConfigError, match=r"reward_model\.params\.keys\[0\] uses \$\{EDITLOOP_MISSING\}"):
        parse_config(data, "x")


def test_a_prompt_is_taken_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.delenv("price", raising=False)
    text = "The tag says ${price} in ${HOME}; reply {score}: {edit_instruction}"
    prompts = {"物理": {"system_prompt": text, "user_prompt_template": text}}
    data = {"prompts": prompts, "diffusion_model": {"class_path": "a.B"}}
    run = parse_config({**MINIMAL, **data}, "x")
    training = parse_training_config({**data, "policy": {"model": "p"}, "data": {"train": "d.json"}}, "x")
    for config in (run, training):
        assert config.prompts["物理"].model_dump() == prompts["物理"]


def test_a_moved_config_takes_its_log_along() -> None:
    evaluation = {"output_dir": "a", "results_dir": "b", "images_dir": "c", "logs_dir": "d"}
    moved = parse_config({**MINIMAL, "evaluation": evaluation, "logging": {"log_file": "e.log"}}, "x").moved_to(
        Path("f")
    )
    assert moved.logging.log_file is None
    places = (moved.evaluation.results, moved.evaluation.images, moved.evaluation.log_file)
    assert places == (Path("f/results"), Path("f/images"), Path("f/logs/evaluation.log"))


def test_overrides_are_typed_create_sections_and_win(tmp_path: Path) -> None:
    overrides = [
        "benchmark.limit=3",
        "benchmark.categories=[物理, 指代]",
        "runtime.seed=7",
        "reward_model.params.a.b=gpt-4o",
    ]
    config = load_config(write(tmp_path, yaml.safe_dump(MINIMAL)), overrides)
    assert (config.benchmark.limit, config.benchmark.categories, config.runtime.seed) == (3, ["物理", "指代"], 7)
    assert config.reward_model.params == {"a": {"b": "gpt-4o"}}


NO_YAML = [
    "a\\b",
    "it's",
    'say "x"',
    "${HOME}",
    "${EDITLOOP_NONE}",
    "yes",
    "5",
    "null",
    "[a, b]",
    "a: b",
    "# c",
    "*x",
    "1e3",
]


@pytest.mark.parametrize("text", NO_YAML)
def test_an_option_of_the_command_line_is_a_value_and_no_yaml(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, yaml.safe_dump({**MINIMAL, "evaluation": {"output_dir": "${EDITLOOP_NONE}"}}))
    options = config_options(categories=[text, "b"], difficulties=[text], output_dir=Path(text))
    config = load_config(path, (), options)
    assert config.benchmark.categories == [text, "b"]
    assert config.benchmark.difficulties == [text]
    assert config.evaluation.output_dir == Path(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50))
def test_whatever_text_an_option_has_arrives(text: str) -> None:
    config = load_config(Path("config.yaml"), (), config_options(categories=[text], difficulties=[text]))
    assert (config.benchmark.categories, config.benchmark.difficulties) == ([text], [text])


def test_an_option_goes_before_the_file_and_before_set(tmp_path: Path) -> None:
    path = write(tmp_path, yaml.safe_dump(MINIMAL))
    assert load_config(path, ["benchmark.limit=3"], config_options(limit=2)).benchmark.limit == 2
    with pytest.raises(ConfigError, match=r"the command line sets benchmark\.limit, but benchmark is not a section"):
        load_config(path, ["benchmark=3"], config_options(limit=2))


@pytest.mark.parametrize("override", ["benchmark.limit", "=3", "a..b=1", "benchmark.data_path.x=1", "a=[1"])
def test_a_malformed_override_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        apply_override({"benchmark": {"data_path": "x"}}, override)


@given(st.lists(st.text("abc_", min_size=1), min_size=1, max_size=4), st.one_of(st.integers(), st.booleans()))
def test_an_override_sets_exactly_the_named_key(parts: list[str], value: Any) -> None:
    data: dict[str, Any] = {}
    apply_override(data, f"{'.'.join(parts)}={yaml.safe_dump(value).splitlines()[0]}")
    for part in parts:
        data = data[part]
    assert data == value


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "!!python/object/apply:os.system ['true']"])
def test_a_file_that_is_no_safe_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_config(write(tmp_path, text))


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml does not exist"):
        load_config(tmp_path / "none.yaml")


def test_secrets_never_reach_the_stored_config() -> None:
    params = {"api_key": "sk-1", "hf_token": "t", "nested": [{"Password": "p"}], "max_new_tokens": 5, "tokenizer": "q"}
    config = parse_config({**MINIMAL, "reward_model": {"class_path": "a.B", "params": params}}, "x")
    stored = config.redacted()["reward_model"]["params"]
    assert stored == {
        "api_key": "***",
        "hf_token": "***",
        "nested": [{"Password": "***"}],
        "max_new_tokens": 5,
        "tokenizer": "q",
    }
    assert redact({"api_key": ""}) == {"api_key": ""}, "an empty secret shows that it is empty"


def test_a_stored_config_can_be_read_again() -> None:
    config = parse_config(MINIMAL, "x")
    assert Config.model_validate(config.redacted()) == config


def test_keys_without_effect_are_told_in_runs_and_in_trainings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = {"class_path": "a.B", "type": "qwen"}
    parse_config({**MINIMAL, "diffusion_model": model, "runtime": {"num_workers": 1}}, "x")
    training = {"policy": {"model": "p"}, "data": {"train": "d.json"}, "diffusion_model": model}
    assert caplog.text.count("diffusion_model.type is accepted for older files and has no effect") == 1
    assert "runtime.num_workers is accepted for older files and has no effect" in caplog.text
    parse_training_config({**training, "logging": {"save_to_file": True}}, "x")
    assert caplog.text.count("diffusion_model.type is accepted for older files and has no effect") == 2
    assert "logging.save_to_file is accepted for older files and has no effect" in caplog.text


def test_a_type_that_no_older_file_has_is_refused_but_for_the_null_of_records() -> None:
    scorer = {"class_path": "a.B", "params": {}}
    with pytest.raises(ConfigError, match=r"scorer\.type: unknown key"):
        parse_config({**MINIMAL, "scorer": scorer | {"type": "x"}}, "x")
    assert parse_config({**MINIMAL, "scorer": scorer | {"type": None}}, "x").scorer.class_path == "a.B"


def sections(schema: type[pydantic.BaseModel]) -> Iterator[type[pydantic.BaseModel]]:
    """The schema and every section within it."""
    yield schema
    pending: list[Any] = [field.annotation for field in schema.model_fields.values()]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
            yield from sections(annotation)
        pending += get_args(annotation)


WHOLE = {LoraSettings: "peft gets all of it"}
"""Sections that are handed on without a look at single keys."""


def test_every_key_of_a_config_is_read_by_some_code() -> None:
    root = Path(__file__).parents[1] / "src"
    read = {
        node.attr
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    for schema in {*sections(Config), *sections(TrainingConfig)} - WHOLE.keys():
        for name in schema.model_fields:
            is_ignored = issubclass(schema, Section) and schema.ignores(name)
            assert name in read or is_ignored, f"{schema.__name__}.{name} is read nowhere"
