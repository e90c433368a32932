"""Every editing pipeline of diffusers, on a tiny random checkpoint: what the table says of it is what it does."""

# ruff: noqa: F811 (tests take imported fixtures by name)

from __future__ import annotations

import copy
import functools
import inspect
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from src.models.diffusion.implementations.diffusers_edit import DiffusersEditModel
from src.models.diffusion.pipeline_table import PIPELINES
from tests.tiny_editing_pipelines import BUILDERS, editing_checkpoint  # noqa: F401 (fixtures)
from tests.tiny_parts import gradient

RUN = sorted(BUILDERS)
BATCHABLE = [name for name in RUN if PIPELINES[name].shares_calls]
SEVERAL = [name for name in RUN if PIPELINES[name].several]
SCALING = [
    "FluxKontextPipeline",
    "JoyImageEditPipeline",
    "JoyImageEditPlusPipeline",
    "Kandinsky5I2IPipeline",
    "LongCatImageEditPipeline",
    "QwenImageEditPipeline",
    "QwenImageEditPlusPipeline",
]
"""These scale every source to about a megapixel unless they are told otherwise."""
INSTRUCTIONS = ["make the sky red", "remove the tree, then paint the house behind it blue", "x"]
SOURCES = [gradient(turn=turn) for turn in range(3)]
every_pipeline = pytest.mark.parametrize("name", RUN)


@pytest.fixture(scope="module")
def editor(editing_checkpoint: Callable[[str], Path]) -> Callable[..., DiffusersEditModel]:
    """Makes an editor that asks for four pictures per call and works at 64×64 pixels in two steps."""

    @functools.cache
    def made(name: str, resolution: int | None = 64) -> DiffusersEditModel:
        with pytest.MonkeyPatch.context() as patch:
            _without_its_packages(name, patch)
            return DiffusersEditModel(
                {
                    "model_name": str(editing_checkpoint(name)),
                    "dtype": PIPELINES[name].dtype or "float32",
                    "device": "cpu",
                    "num_inference_steps": 2,
                    "batch_size": 4,
                    "resolution": resolution,
                }
            )

    return made


def _without_its_packages(name: str, patch: pytest.MonkeyPatch) -> None:
    """ChronoEdit mends the spelling of characters with `ftfy`; whether it is there changes nothing of these proofs."""
    import diffusers

    if name == "ChronoEditPipeline":
        fix = SimpleNamespace(fix_text=str)
        patch.setitem(sys.modules, "ftfy", SimpleNamespace(fix_text=str, __spec__=inspect))
        module = sys.modules[getattr(diffusers, name).__module__]
        if not hasattr(module, "ftfy"):
            module.ftfy = fix  # type: ignore[attr-defined]


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def difference(first: Image.Image, second: Image.Image) -> int:
    return int(abs(pixels(first) - pixels(second)).max())


@every_pipeline
def test_an_edit_is_the_same_in_a_batch_alone_and_again(name: str, editor: Any) -> None:
    import torch

    model = editor(name)
    together = model.batch_edit(SOURCES, INSTRUCTIONS, seeds=[5, 6, 7])
    for index, edit in enumerate(together):
        torch.rand(index + 1)  # whoever else draws from the global generator
        alone = model.edit_image(SOURCES[index], INSTRUCTIONS[index], seed=5 + index)
        assert difference(edit, alone) <= (
            1 if name in BATCHABLE else 0
        )  # of 255: sums of another shape round otherwise
        assert difference(alone, model.edit_image(SOURCES[index], INSTRUCTIONS[index], seed=5 + index)) == 0
    assert difference(together[0], together[1]) > 1


@every_pipeline
def test_the_sources_of_other_samples_change_nothing(name: str, editor: Any) -> None:
    model = editor(name)
    edits = [
        model.batch_edit([SOURCES[0], other], INSTRUCTIONS[:2], seeds=[5, 6])[0] for other in (SOURCES[1], SOURCES[2])
    ]
    assert difference(*edits) == 0


@pytest.mark.parametrize("name", BATCHABLE)
def test_a_negative_prompt_is_for_every_sample_of_a_batch(
    name: str, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = editor(name)
    plain = model.edit_image(SOURCES[0], INSTRUCTIONS[0], seed=5)
    monkeypatch.setitem(model.params.call_params, "negative_prompt", "blurry picture")
    if "Pix2Pix" not in name:
        monkeypatch.setitem(model.params.call_params, "true_cfg_scale", 4.0)
    together = model.batch_edit(SOURCES, INSTRUCTIONS, seeds=[5, 6, 7])
    for index, edit in enumerate(together):
        assert difference(edit, model.edit_image(SOURCES[index], INSTRUCTIONS[index], seed=5 + index)) <= 1
    assert difference(together[0], plain) > 1


@every_pipeline
def test_the_global_generator_is_left_as_it_was(name: str, editor: Any) -> None:
    import torch

    model = editor(name)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    model.edit_image(SOURCES[0], "x", seed=5)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("name", [name for name in RUN if PIPELINES[name].draws_globally])
def test_noise_without_a_generator_follows_the_seed_and_no_other_thread(
    name: str, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def edit(seed: int) -> Image.Image:
        return model.edit_image(SOURCES[0], "x", seed=seed, generator=torch.Generator().manual_seed(1))

    def encode(*args: Any, **kwargs: Any) -> Any:
        other = threading.Thread(target=torch.rand, args=(3,))
        other.start()
        other.join()
        return stock(*args, **kwargs)

    model = editor(name)
    undisturbed = edit(5)
    assert difference(undisturbed, edit(6)) > 0
    stock = model.pipe.vae.encode
    monkeypatch.setattr(model.pipe.vae, "encode", encode)
    assert difference(undisturbed, edit(5)) == 0


@pytest.mark.parametrize("name", [name for name in RUN if PIPELINES[name].draws_globally])
def test_editors_that_edit_at_the_same_time_draw_none_of_each_others_noise(
    name: str, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    both_encode = threading.Barrier(2, timeout=30)

    def meeting(encode: Callable[..., Any]) -> Callable[..., Any]:
        def encoded(*args: Any, **kwargs: Any) -> Any:
            both_encode.wait()
            return encode(*args, **kwargs)

        return encoded

    def edit(model: DiffusersEditModel, seed: int) -> Image.Image:
        return model.edit_image(SOURCES[0], "x", seed=seed, generator=torch.Generator().manual_seed(1))

    replicas = [editor(name), copy.deepcopy(editor(name))]
    alone = [edit(*pair) for pair in zip(replicas, (5, 6), strict=True)]
    assert difference(*alone) > 0
    for replica in replicas:
        monkeypatch.setattr(replica.pipe.vae, "encode", meeting(replica.pipe.vae.encode))
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(edit, replicas, (5, 6)))
    assert [difference(*pair) for pair in zip(alone, together, strict=True)] == [0, 0]


@every_pipeline
def test_source_instruction_and_seed_all_reach_the_pixels(name: str, editor: Any) -> None:
    model = editor(name)
    edit = model.edit_image(SOURCES[0], "make the sky red", seed=3)
    changed = (
        model.edit_image(SOURCES[2], "make the sky red", seed=3),
        model.edit_image(SOURCES[0], "remove the tree", seed=3),
        model.edit_image(SOURCES[0], "make the sky red", seed=4),
    )
    assert [difference(edit, other) > 0 for other in changed] == [True] * 3


@every_pipeline
def test_the_resolution_sizes_the_edit_and_keeps_the_aspect_ratio(name: str, editor: Any) -> None:
    sizes = {side: editor(name, side).edit_image(gradient((192, 96)), "x", seed=1).size for side in (96, 160)}
    for side, (width, height) in sizes.items():
        assert 0.5 * side**2 <= width * height <= 1.6 * side**2
        assert 1.4 <= width / height <= 3
    assert sizes[96] < sizes[160]


@pytest.mark.parametrize("name", SCALING)
def test_the_source_is_encoded_at_the_resolution(name: str, editor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = editor(name), []
    stock = model.pipe.vae.encode
    monkeypatch.setattr(model.pipe.vae, "encode", lambda x, *rest, **more: seen.append(x) or stock(x, *rest, **more))
    model.edit_image(gradient((64, 64)), "x", seed=1)
    assert {tuple(x.shape[-2:]) for x in seen} == {(64, 64)}


def test_the_last_frame_of_a_film_is_the_edit(editor: Any) -> None:
    model = editor("ChronoEditPipeline")
    frames = np.stack([np.full((64, 64, 3), shade / 255) for shade in (10, 100, 200)])[None]
    with mock.patch.object(type(model.pipe), "__call__", return_value={"frames": frames}):
        assert model.edit_image(SOURCES[0], "x", seed=1).getpixel((0, 0)) == (200, 200, 200)


@every_pipeline
def test_without_a_resolution_the_size_is_the_pipelines_own_at_the_aspect_ratio_of_the_source(
    name: str, editor: Any
) -> None:
    model, row = editor(name, None), PIPELINES[name]
    with (
        mock.patch.object(type(model.pipe), "__call__", side_effect=InterruptedError) as call,
        pytest.raises(InterruptedError),
    ):
        model.edit_image(gradient((192, 96)), "x", seed=1)
    sizes = call.call_args.kwargs.keys() & {"width", "height"}
    assert sizes == (set() if row.own_sizes else row.size(16, 16).keys() & {"width", "height"})
    assert not row.when_scaled.keys() & call.call_args.kwargs.keys()
    if sizes:
        width, height = (call.call_args.kwargs[side] for side in ("width", "height"))
        assert width * height == pytest.approx(row.area or max(192 * 96, row.smallest or 0), rel=0.02)
        assert width / height == pytest.approx(2, rel=0.05)


@every_pipeline
def test_one_picture_per_call_unless_proven(name: str, editor: Any) -> None:
    model = editor(name)
    assert model.batch_size == (4 if name in BATCHABLE else 1)


@pytest.mark.parametrize("name", SEVERAL)
def test_an_edit_of_several_sources_depends_on_each_and_on_their_order_and_has_the_size_of_the_first(
    name: str, editor: Any
) -> None:
    model = editor(name)
    first, *others = gradient((96, 64)), gradient((64, 96), turn=1), gradient((64, 64), turn=2)

    def edit(*further: Image.Image) -> Image.Image:
        made: Image.Image = model.edit_image(first, "join them", seed=3, further_images=list(further))
        return made

    alone, two, three, swapped = edit(), edit(others[0]), edit(*others), edit(*reversed(others))
    assert {one.size for one in (two, three, swapped)} == {alone.size}
    assert [difference(*pair) > 0 for pair in ((alone, two), (two, three), (three, swapped))] == [True] * 3
    assert difference(swapped, edit(*reversed(others))) == 0


def test_which_pipelines_take_several_sources_is_known_before_they_load(
    editing_checkpoint: Callable[[str], Path],
) -> None:
    taken = {
        name: DiffusersEditModel.takes_further_images({"model_name": str(editing_checkpoint(name))})
        for name in ("QwenImageEditPlusPipeline", "StableDiffusionInstructPix2PixPipeline")
    }
    assert taken == {"QwenImageEditPlusPipeline": True, "StableDiffusionInstructPix2PixPipeline": False}
    assert SEVERAL == ["BriaFibo2Pipeline", "OmniGenPipeline", "QwenImage21Pipeline", "QwenImageEditPlusPipeline"]


@every_pipeline
def test_the_defaults_in_the_table_are_those_of_the_installed_pipeline(name: str) -> None:
    import diffusers

    arguments = inspect.signature(getattr(diffusers, name).__call__).parameters
    row = PIPELINES[name]
    assert arguments["num_inference_steps"].default == row.steps
    assert {key: arguments[key].default for key in row.guidance} == dict(row.guidance)
    assert {row.image, "prompt", "generator", *row.size(16, 16), *row.when_scaled} <= set(arguments)


def test_every_pipeline_of_the_table_is_tried() -> None:
    assert set(BUILDERS) == PIPELINES.keys()
    assert BATCHABLE == [
        "FluxKontextPipeline",
        "QwenImageEditPipeline",
        "StableDiffusionInstructPix2PixPipeline",
        "StableDiffusionXLInstructPix2PixPipeline",
    ]


def test_glm_image_edits_as_its_stock_pipeline_would_if_that_could_read_a_source(
    editing_checkpoint: Callable[[str], Path],
) -> None:
    """When the stock pipeline does not fail any more, `one_source_apart` has no sources to keep apart."""
    import torch

    name, size = "GlmImagePipeline", (160, 128)
    model = DiffusersEditModel(
        {"model_name": str(editing_checkpoint(name)), "dtype": "float32", "device": "cpu", "num_inference_steps": 2}
    )

    def stock() -> Image.Image:
        generator = torch.Generator().manual_seed(5)
        sides = {"width": size[0], "height": size[1]}
        made = model.pipe("x", [gradient(size)], **sides, num_inference_steps=2, generator=generator)
        edit: Image.Image = made.images[0]
        return edit

    with mock.patch.object(model, "row", replace(model.row, smallest=None)):
        edit = model.edit_image(gradient(size), "x", seed=5)
    with pytest.raises(RuntimeError, match="channels"):
        stock()
    encoder = model.pipe.vision_language_encoder
    tokens_of = encoder.get_image_tokens
    encoder.get_image_tokens = lambda joined, grids: tokens_of([joined], grids)
    with torch.random.fork_rng():
        assert difference(edit, stock()) == 0
