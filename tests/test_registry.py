from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from src.config import ModelConfig
from src.errors import ConfigError, ModelError
from src.models.base import named_arguments
from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel
from src.redaction import fingerprints
from src.registry import build, check_params, load_class, resolve
from tests.plugins import InvertEditor, OldStyleEditor, SeedEditor, UnloadableEditor


def test_a_class_path_gives_its_class() -> None:
    assert load_class("tests.plugins.InvertEditor", BaseDiffusionModel) is InvertEditor


def test_a_plugin_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plugin_in_cwd.py").write_text("from tests.plugins import InvertEditor as Mine\n")
    monkeypatch.chdir(tmp_path)
    assert load_class("my_plugin_in_cwd.Mine", BaseDiffusionModel) is InvertEditor


@pytest.mark.parametrize(
    ("class_path", "message"),
    [
        ("InvertEditor", "must be 'package.module.ClassName'"),
        ("tests.plugins.InvertEditr", "Did you mean 'InvertEditor'"),
        ("tests.plugin.InvertEditor", "Did you mean 'tests.plugins'"),
        ("nowhere.to.be.Found", "no module 'nowhere'"),
        ("tests.plugins.NotAModel", "must name a subclass of"),
        ("tests.plugins.BrightnessJudge", "must name a subclass of"),
        ("src.models.diffusion.base_diffusion.BaseDiffusionModel", "does not implement _initialize, edit_image"),
    ],
)
def test_a_wrong_class_path_is_explained(class_path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_class(class_path, BaseDiffusionModel)


@pytest.mark.parametrize(
    ("source", "message"),
    [("import no_such_package_here", "needs the package 'no_such_package_here'"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_plugin_that_fails_to_import_is_told_from_one_that_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    name = f"broken_plugin_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_class(f"{name}.Mine", BaseRewardModel)


def test_a_model_that_cannot_be_constructed_is_named() -> None:
    with pytest.raises(ModelError, match=r"UnloadableEditor could not be loaded: OSError: no such weights"):
        build(UnloadableEditor, {})


def test_wrong_params_are_found_before_loading() -> None:
    from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel

    with pytest.raises(ConfigError, match=r"num_inference_step: unknown key\. Did you mean 'num_inference_steps'"):
        check_params(QwenImageEditModel, {"num_inference_step": 4}, "diffusion_model.params")


def test_the_identity_holds_what_changes_results_and_nothing_else() -> None:
    identity = InvertEditor.identity({"strength": 2, "device": "cuda:1", "log": "x", "api_key": "sk"})
    assert identity["params"] == {"strength": 2, "api_key": fingerprints({"api_key": "sk"})["api_key"]}
    assert "sk" not in str(identity["params"])
    assert identity["class"] == "tests.plugins.InvertEditor"


def test_arguments_are_offered_only_to_methods_that_name_them() -> None:
    assert named_arguments(SeedEditor({}).edit_image, seed=3, sample_id="a") == {"seed": 3}
    assert named_arguments(OldStyleEditor({}).edit_image, seed=3, sample_id="a") == {}


def test_one_way_leads_from_a_section_to_a_checked_class() -> None:
    section = ModelConfig(class_path="tests.plugins.InvertEditor")
    assert resolve(section, BaseDiffusionModel, "diffusion_model") is InvertEditor
    qwen = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"
    wrong = ModelConfig(class_path=qwen, params={"num_inference_step": 4})
    with pytest.raises(ConfigError, match=r"(?s)diffusion_model\.params of QwenImageEditModel.*'num_inference_steps'"):
        resolve(wrong, BaseDiffusionModel, "diffusion_model")


def test_no_module_but_the_registry_checks_params_by_hand() -> None:
    sources = (Path(__file__).parent.parent / "src").rglob("*.py")
    assert [path.name for path in sources if "check_params(" in path.read_text(encoding="utf-8")] == ["registry.py"]


class Loading:
    """Notes which threads load at the same time; one may hold a model inside it."""

    now: ClassVar[set[int]] = set()
    most = 0

    def __init__(self, params: dict[str, Any]) -> None:
        Loading.now.add(threading.get_ident())
        Loading.most = max(Loading.most, len(Loading.now))
        time.sleep(0.05)
        if params.get("holds_one"):
            build(Loading, {})
        Loading.now.discard(threading.get_ident())


def test_models_load_one_after_the_other_and_one_may_hold_another() -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(build, [Loading] * 4, [{}, {"holds_one": True}, {}, {"holds_one": True}]))
    assert Loading.most == 1
