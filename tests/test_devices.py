"""Devices and number types are known before anything loads: who shares a GPU, and what `auto` stands for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.config import Config, parse_config
from src.errors import ConfigError, ModelError
from src.models.base import BaseModel
from src.models.device import own_gpus, pick_device
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.diffusion.implementations.rewrite_editor import RewriteEditor
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate
from src.pipeline.plan import RunPlan
from tests.conftest import item

EDITOR, POLICY, JUDGE = "assets/miniature/editor", "assets/miniature/policy", "assets/miniature/judge"
QWEN = "src.models.diffusion.implementations.qwen_image_edit.QwenImageEditModel"


@contextmanager
def gpus(count: int, rank: int | None = None) -> Iterator[None]:
    """A machine with so many GPUs; with a rank, one of as many processes."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch("torch.cuda.is_available", return_value=count > 0))
        stack.enter_context(mock.patch("torch.cuda.device_count", return_value=count))
        if rank is not None:
            stack.enter_context(mock.patch.dict("os.environ", {"LOCAL_RANK": str(rank)}))
            stack.enter_context(mock.patch("torch.distributed.is_initialized", return_value=True))
            stack.enter_context(mock.patch("torch.distributed.get_world_size", return_value=count))
        yield


@pytest.fixture
def make_plan(tmp_path: Path, write_benchmark: Callable[..., Path]) -> Callable[..., RunPlan]:
    data = str(write_benchmark([item(0)]))

    def make(editor: dict[str, Any], judge: dict[str, Any], editor_class: str = QWEN) -> RunPlan:
        models = {
            "diffusion_model": {"class_path": editor_class, "params": editor},
            "reward_model": {
                "class_path": "src.models.reward.implementations.qwen3_vl_reward.Qwen3VLRewardModel",
                "params": {"model_name": JUDGE, **judge},
            },
        }
        evaluation = {"output_dir": str(tmp_path / "out")}
        config: Config = parse_config({"benchmark": {"data_path": data}, "evaluation": evaluation, **models}, "test")
        return RunPlan(config)

    return make


@pytest.mark.parametrize(
    ("count", "editor", "judge", "shared"),
    [
        (0, {}, {}, False),
        (1, {}, {}, True),
        (2, {}, {}, True),  # the judge is spread over both
        (2, {}, {"device": "cuda:1"}, False),
        (2, {}, {"device_ids": [1]}, False),
        (2, {}, {"device": "cuda", "device_ids": [0, 1]}, True),
        (2, {}, {"device": "cuda:1", "device_ids": [0]}, False),  # ids count only where the device is open
        (2, {}, {"device": "cuda"}, True),
        (2, {"device": "cuda:1"}, {"device": "cuda"}, False),
        (2, {"device": "cuda"}, {"device": "cuda:0"}, True),
        (4, {"device_ids": [2, 3]}, {"device_ids": [0, 1]}, False),
        (4, {"device_ids": [1, 2]}, {"device_ids": [0, 1]}, True),
        (4, {"device_ids": [2, 3]}, {}, True),
        (2, {"device": "cpu"}, {}, False),
        (2, {}, {"device": "cpu"}, False),
        (2, {"device": "cpu"}, {"device": "cpu"}, False),
    ],
)
def test_a_run_has_two_stages_exactly_when_editor_and_judge_would_share_a_gpu(
    make_plan: Callable[..., RunPlan], count: int, editor: dict[str, Any], judge: dict[str, Any], shared: bool
) -> None:
    with gpus(count):
        assert make_plan({"model_name": EDITOR, **editor}, judge).two_stage() is shared


@pytest.mark.parametrize(
    ("policy", "inner", "shared"),
    [("cuda:0", "cuda:0", False), ("cuda:1", "cuda:0", True), ("cuda:0", "cuda:1", True), ("cpu", "auto", False)],
)
def test_policy_and_inner_editor_of_a_rewriting_editor_count(
    make_plan: Callable[..., RunPlan], policy: str, inner: str, shared: bool
) -> None:
    behind = {"class_path": QWEN, "params": {"model_name": EDITOR, "device": inner, "dtype": "float32"}}
    params = {"policy": POLICY, "device": policy, "editor": behind}
    rewriting = "src.models.diffusion.implementations.rewrite_editor.RewriteEditor"
    with gpus(2):
        assert make_plan(params, {"device": "cuda:1"}, rewriting).two_stage() is shared


def test_models_elsewhere_have_no_device() -> None:
    from src.models.diffusion.implementations.http_editor import HttpEditor
    from src.models.reward.implementations.openai_reward import OpenAIRewardModel

    class Older(BaseModel):
        def _initialize(self) -> None: ...

    with gpus(2):
        assert HttpEditor.devices({"endpoints": ["http://127.0.0.1:1"]}) == []
        assert OpenAIRewardModel.devices({"model": "m"}) == []
        assert Older.devices({}) == []
        assert Older.devices({"device": "cuda"}) == ["cuda:0"]


IDENTITIES: dict[type[BaseModel], dict[str, Any]] = {
    QwenImageEditModel: {"model_name": EDITOR},
    Qwen3VLRewardModel: {"model_name": JUDGE},
    RewriteEditor: {"policy": POLICY, "editor": {"class_path": QWEN, "params": {"model_name": EDITOR}}},
}


@pytest.mark.parametrize("model", IDENTITIES, ids=lambda model: model.__name__)
def test_results_of_a_gpu_and_of_a_cpu_are_kept_apart_exactly_when_their_number_types_differ(
    model: type[BaseModel],
) -> None:
    params = IDENTITIES[model]
    with gpus(0):
        single = model.identity(params)
        assert single == model.identity(params | {"dtype": "float32"})
    with gpus(2):
        half = model.identity(params)
        assert half["params"]["dtype"] == "bfloat16"
        assert half == model.identity(params | {"dtype": "bfloat16"})
        on_cpu = model.identity(params | {"device": "cpu"})
        assert on_cpu["params"] == single["params"]
    assert single["params"]["dtype"] == "float32"


def test_the_editor_behind_a_policy_has_its_own_number_type_in_the_identity() -> None:
    with gpus(2):
        on_gpu = RewriteEditor.identity(IDENTITIES[RewriteEditor])
    with gpus(0):
        on_cpu = RewriteEditor.identity(IDENTITIES[RewriteEditor])
    assert (on_gpu["editor"]["params"]["dtype"], on_cpu["editor"]["params"]["dtype"]) == ("bfloat16", "float32")


def test_replicas_with_different_number_types_are_refused() -> None:
    params = {"model_name": EDITOR, "device_ids": ["cpu", 0]}
    with gpus(1):
        with pytest.raises(ConfigError, match="set dtype"):
            QwenImageEditModel.identity(params)
        assert QwenImageEditModel.identity(params | {"dtype": "float32"})["params"]["dtype"] == "float32"


def test_the_identity_of_models_with_a_named_device_does_not_wait_for_torch() -> None:
    code = f"""
import sys
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
for device in ("cpu", "cuda:1"):
    Qwen3VLRewardModel.identity({{"model_name": {JUDGE!r}, "device": device}})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_each_process_of_a_distributed_run_takes_the_gpu_of_its_own(device: str) -> None:
    for rank in (0, 3, 7):
        with gpus(8, rank):
            assert pick_device(device) == f"cuda:{rank}"
            assert own_gpus() == [rank]
            assert Qwen3VLRewardModel.devices({"model_name": JUDGE, "device": device}) == [f"cuda:{rank}"]


def test_a_process_that_is_shown_one_gpu_takes_it() -> None:
    with gpus(1), mock.patch.dict("os.environ", {"LOCAL_RANK": "5"}):
        assert pick_device("auto") == "cuda:0"


def test_a_gpu_that_is_not_there_is_refused_by_name() -> None:
    with gpus(2), pytest.raises(ModelError, match=r"'cuda:2' is asked for.*sees 2 GPUs"):
        pick_device("cuda:2")
    with gpus(0), pytest.raises(ModelError, match="sees no GPU"):
        pick_device("cuda:0")


@pytest.mark.parametrize(
    ("offload", "method"), [("model", "enable_model_cpu_offload"), ("sequential", "enable_sequential_cpu_offload")]
)
@pytest.mark.parametrize(
    ("device", "rank", "wanted"),
    [("auto", None, "cuda:0"), ("cuda:3", None, "cuda:3"), ("auto", 2, "cuda:2"), ("cuda", 2, "cuda:2")],
)
def test_weights_in_main_memory_visit_the_gpu_of_their_replica_or_process(
    offload: str, method: str, device: str, rank: int | None, wanted: str
) -> None:
    from diffusers import QwenImageEditPipeline

    with gpus(4, rank), mock.patch.object(QwenImageEditPipeline, method) as enable:
        QwenImageEditModel({"model_name": EDITOR, "offload": offload, "dtype": "float32", "device": device})
    enable.assert_called_once_with(device=wanted)


def test_a_gpu_that_is_not_here_is_found_before_anything_loads(make_plan: Callable[..., RunPlan]) -> None:
    named = {"model_name": EDITOR, "dtype": "float32", "device": "cuda:7"}
    for editor, judge in ((named, {}), ({"model_name": EDITOR, "device": "cpu"}, {"device": "cuda:7"})):
        plan = make_plan(editor, judge)  # a plan may be for another machine
        for count in (0, 2):
            with gpus(count), pytest.raises(ModelError, match="'cuda:7' is asked for"):
                plan.check_devices()
            with gpus(count), pytest.raises(ModelError, match="'cuda:7' is asked for"):
                evaluate(plan.config)
        with gpus(8):
            plan.check_devices()
        text = "\n".join(check_run(plan.config))
        assert "to get   device 'cuda:7' is asked for" in text
        assert "to do    1 edit," in text


@pytest.mark.parametrize("model", ["editor", "judge"])
@pytest.mark.parametrize("device", ["gpu0", "cuda:x", "cuda:", "0"])
def test_what_is_no_device_on_any_machine_is_refused(
    make_plan: Callable[..., RunPlan], model: str, device: str
) -> None:
    wrong = {"device": device}
    with pytest.raises(ConfigError, match="is no device of torch"):
        make_plan({"model_name": EDITOR} | (wrong if model == "editor" else {}), wrong if model == "judge" else {})


def _folder(place: Path, **files: str) -> str:
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("_json", ".json")).write_text(text)
    return str(place)


def test_a_folder_that_is_no_judge_is_found_before_anything_loads(
    make_plan: Callable[..., RunPlan], tmp_path: Path
) -> None:
    judges = {
        EDITOR: "its config.json cannot be read",
        _folder(tmp_path / "text", config_json='{"model_type": "qwen2"}'): "says model_type 'qwen2'",
        _folder(tmp_path / "broken", config_json="{"): "its config.json cannot be read",
        _folder(tmp_path / "bare", config_json='{"model_type": "qwen3_vl"}'): "but no weights",
    }
    for folder, message in judges.items():
        with pytest.raises(ModelError, match=message):
            make_plan({"model_name": EDITOR}, {"model_name": folder})
        with pytest.raises(ModelError, match=message):
            RewriteEditor.check_weights(IDENTITIES[RewriteEditor] | {"policy": folder})
    make_plan({"model_name": EDITOR}, {})
