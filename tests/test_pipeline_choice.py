"""Which pipelines of diffusers are taken for editors, found out before any weights load."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from src.config import Config
from src.errors import ConfigError, ModelError
from src.models.diffusion.implementations.diffusers_edit import DiffusersEditModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.diffusion.pipeline_choice import editing_pipeline, is_unlisted, require_same_parts
from src.models.diffusion.pipeline_page import PAGE, with_table
from src.models.diffusion.pipeline_table import PIPELINES
from src.pipeline.check import check_run
from tests.tiny_editing_pipelines import editing_checkpoint  # noqa: F401 (fixture)

EDITOR = "src.models.diffusion.implementations.diffusers_edit.DiffusersEditModel"


def pipelines_with_image_and_prompt() -> list[str]:
    """What a look at the names of the arguments alone would take for an editor."""
    import diffusers

    classes = {name: getattr(diffusers, name) for name in dir(diffusers) if name.endswith("Pipeline")}
    return [
        name
        for name, found in classes.items()
        if inspect.isclass(found) and {"image", "prompt"} <= set(inspect.signature(found.__call__).parameters)
    ]


def refusal(name: str) -> str | None:
    """The reason why a pipeline is not taken; a package that is missing on this machine is none."""
    try:
        editing_pipeline(name)
    except ConfigError as error:
        return str(error)
    except ModelError as error:
        return None if "pip install" in str(error) else str(error)
    return None


def test_of_all_pipelines_that_take_a_picture_and_a_prompt_those_of_the_table_are_taken() -> None:
    refusals = {name: refusal(name) for name in pipelines_with_image_and_prompt()}
    assert len(refusals) > 100
    assert {name for name, reason in refusals.items() if reason is None} == PIPELINES.keys() & set(refusals)
    for name, reason in refusals.items():
        assert reason is None or (reason.startswith(name) and "docs/editors.md" in reason)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FluxKontextInpaintPipeline", r"repaints what a mask covers.*'FluxKontextPipeline'"),
        ("QwenImageEditInpaintPipeline", r"repaints what a mask covers.*'QwenImageEditPipeline'"),
        ("StableDiffusionImg2ImgPipeline", "redraws a picture after a description"),
        ("StableDiffusionControlNetPipeline", "follows a map of edges"),
        ("WanImageToVideoPipeline", "makes a film"),
        ("StableDiffusionPipeline", "takes no `image` and `prompt`"),
        ("QwenImageLayeredPipeline", "layers"),
    ],
)
def test_a_pipeline_that_is_no_editor_is_refused_with_what_it_does_and_where_to_look(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        editing_pipeline(name)


def test_a_missing_package_is_named_before_anything_loads() -> None:
    with (
        mock.patch("importlib.util.find_spec", return_value=None),
        pytest.raises(ModelError, match=r"ChronoEditPipeline needs the package 'ftfy'.*pip install ftfy"),
    ):
        editing_pipeline("ChronoEditPipeline")


def test_an_editor_outside_the_table_gets_one_picture_per_call_and_says_that_nothing_is_proven(
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = "Flux2KleinKVPipeline"
    listed = PIPELINES[name]
    others = {other: row for other, row in PIPELINES.items() if other != name}
    monkeypatch.setattr("src.models.diffusion.pipeline_choice.PIPELINES", others)
    row = editing_pipeline(name)
    assert (row.steps, row.shares_calls, row.draws_globally, is_unlisted(row)) == (listed.steps, False, True, True)
    params = {"model_name": str(editing_checkpoint(name)), "batch_size": 4, "resolution": 64}
    DiffusersEditModel.check_weights(params)
    assert "nothing is proven" in caplog.text
    assert DiffusersEditModel(params).batch_size == 1


def checked(params: dict[str, Any], benchmark: Path, make_config: Callable[..., Config]) -> list[str]:
    config = make_config(benchmark, diffusion_model={"class_path": EDITOR, "params": params})
    with mock.patch("diffusers.DiffusionPipeline.from_pretrained", side_effect=AssertionError("loaded")):
        return list(check_run(config))


def test_check_refuses_a_pipeline_that_cannot_edit(
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
) -> None:
    folder = editing_checkpoint("FluxKontextPipeline")
    params = {"model_name": str(folder), "pipeline_class": "FluxFillPipeline"}
    with pytest.raises(ConfigError, match="FluxFillPipeline does not edit"):
        checked(params, write_benchmark(2), make_config)


@pytest.mark.parametrize(
    ("call_params", "words"),
    [
        ({"guidance_scal": 2.5}, r"call_params\.guidance_scal: .*Did you mean 'guidance_scale'"),
        ({"width": 512}, r"call_params\.width: .*set resolution instead"),
        ({"num_images_per_prompt": 2}, r"call_params\.num_images_per_prompt: "),
        ({"latents": [1]}, r"call_params\.latents: "),
        ({"prompt_embeds": [1]}, r"call_params\.prompt_embeds: "),
        ({"generator": 1}, r"call_params\.generator: "),
    ],
)
def test_check_refuses_an_argument_of_the_call_that_is_not_free_to_set(
    call_params: dict[str, Any],
    words: str,
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
) -> None:
    params = {"model_name": str(editing_checkpoint("FluxKontextPipeline")), "call_params": call_params}
    with pytest.raises(ConfigError, match=words):
        checked(params, write_benchmark(2), make_config)


def test_looking_at_a_pipeline_of_the_table_needs_no_torch_where_the_device_is_named(
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
) -> None:
    params = {
        "model_name": str(editing_checkpoint("FluxKontextPipeline")),
        "call_params": {"guidance_scale": 2.5},
        "device": "cpu",
    }
    module = DiffusersEditModel.__module__
    code = (
        f"import sys; from {module} import DiffusersEditModel as Editor; "
        f"Editor.check_ready({params}); Editor.identity({params}); Editor.check_weights({params}); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("Flux2KleinPipeline", {"batch_size": 4}, "batch_size 4 is lowered to 1"),
        ("DreamLiteMobilePipeline", {"call_params": {"guidance_scale": 2.0}}, "distilled away"),
        ("FluxKontextPipeline", {"call_params": {"negative_prompt": "x"}}, "negative_prompt has no effect"),
        ("QwenImageEditPipeline", {"call_params": {"true_cfg_scale": 4.0}}, "without a negative_prompt"),
    ],
)
def test_check_says_which_settings_have_no_effect(
    name: str,
    params: dict[str, Any],
    words: str,
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = str(editing_checkpoint(name))
    checked({"model_name": folder, **params}, write_benchmark(2), make_config)
    assert words in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("StableDiffusionInstructPix2PixPipeline", "FluxKontextPipeline"),
        ("Flux2KleinPipeline", "Flux2Pipeline"),
        ("JoyImageEditPipeline", "JoyImageEditPlusPipeline"),
        ("FluxPipeline", "FluxKontextPipeline"),
    ],
)
def test_check_refuses_a_pipeline_that_the_checkpoint_is_not_for(
    stored: str, named: str, tmp_path: Path, write_benchmark: Callable[..., Path], make_config: Callable[..., Config]
) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": stored}), encoding="utf-8")
    params = {"model_name": str(tmp_path), "pipeline_class": named}
    with pytest.raises(ConfigError, match=f"pipeline_class {named}: the checkpoint .* is for {stored}"):
        checked(params, write_benchmark(2), make_config)


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("Flux2KleinPipeline", "Flux2KleinKVPipeline"),
        ("QwenImageEditPipeline", "QwenImageEditPlusPipeline"),
        ("PipelineOfTomorrow", "FluxKontextPipeline"),
    ],
)
def test_pipelines_of_the_same_parts_share_checkpoints(stored: str, named: str) -> None:
    require_same_parts(named, stored, "x")


def test_nothing_is_said_of_a_batch_that_is_proven(
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
    write_benchmark: Callable[..., Path],
    make_config: Callable[..., Config],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = str(editing_checkpoint("FluxKontextPipeline"))
    checked({"model_name": folder, "batch_size": 4}, write_benchmark(2), make_config)
    assert not caplog.records


def test_a_number_type_in_which_the_pipeline_does_not_run_is_refused(
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
) -> None:
    folder = str(editing_checkpoint("ZImageOmniPipeline"))
    with pytest.raises(ConfigError, match="dtype float32: ZImageOmniPipeline runs in bfloat16 only"):
        DiffusersEditModel.identity({"model_name": folder, "dtype": "float32"})


def test_the_identity_holds_the_defaults_of_the_pipeline(
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
) -> None:
    folder = str(editing_checkpoint("FluxKontextPipeline"))
    identity = DiffusersEditModel.identity({"model_name": folder})
    assert identity["params"]["num_inference_steps"] == 28
    assert identity["params"]["call_params"] == {"guidance_scale": 3.5}
    explicit = {"pipeline_class": "FluxKontextPipeline", "num_inference_steps": 28, "batch_size": 4}
    assert identity == DiffusersEditModel.identity({"model_name": folder, **explicit})
    assert identity != DiffusersEditModel.identity({"model_name": folder, "num_inference_steps": 50})


@pytest.mark.parametrize(
    ("name", "dtype", "counts"),
    [
        ("FluxKontextPipeline", "bfloat16", True),
        ("FluxKontextPipeline", "float16", True),
        ("FluxKontextPipeline", "float32", False),
        ("Flux2KleinPipeline", "bfloat16", False),
        ("QwenImageEditPipeline", "bfloat16", True),
        ("QwenImageEditPlusPipeline", "bfloat16", False),
    ],
)
def test_the_batch_size_is_in_the_identity_where_rounding_shows_it(
    name: str,
    dtype: str,
    counts: bool,
    editing_checkpoint: Callable[[str], Path],  # noqa: F811 (fixture)
) -> None:
    editors = (DiffusersEditModel, QwenImageEditModel) if "Qwen" in name else (DiffusersEditModel,)
    params = {"model_name": str(editing_checkpoint(name)), "dtype": dtype, "device": "cpu"}
    for editor in editors:
        one, two, four = (editor.identity({**params, "batch_size": size}) for size in (1, 2, 4))
        assert one == editor.identity(params)
        assert (one != four, two != four) == (counts, counts)


def test_the_table_in_the_docs_is_the_one_in_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page
    assert all(f"| `{name}` |" in page for name in PIPELINES)
