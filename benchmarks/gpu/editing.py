"""Placement, noise, number types, batches, offload and exhausted memory, on the miniature weights."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from benchmarks.gpu.check import DoesNotApply, Finding, Setting
from src.data.loader import load_samples
from src.data.sample import EditSample
from src.data.selection import Selection
from src.errors import ModelError
from src.models.diffusion.global_noise import own_noise
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.models.reward.implementations.qwen3_vl_reward import Qwen3VLRewardModel
from src.models.vlm.question import LabelledImage, Question

BENCHMARK = "assets/miniature/benchmark.json"
EDITOR: dict[str, Any] = {
    "model_name": "assets/miniature/editor",
    "num_inference_steps": 8,
    "true_cfg_scale": 1.0,
    "output_resolution": 64,
    "condition_resolution": 64,
    "vl_resolution": 64,
}
JUDGE: dict[str, Any] = {"model_name": "assets/miniature/judge", "max_new_tokens": 16}
ROUNDING = {"float32": 0.05 / 255, "bfloat16": 0.7 / 255}
"""Largest mean difference of pixels that counts as rounding in a number type.

Measured in levels of 255, on an H100 and an H200: in float32 0.004 between batch and single edits and 0.003 between CPU
and GPU; in bfloat16 0.15 and 0.19 to 0.31. From float32 to bfloat16 it is 0.3 to 0.5 on a CPU. The miniature editor's
picture of another seed is 1.1 away.
"""
LEVELS = 2 / 255
MIB = 2**20
LEFT_FREE = 24 * MIB
ABSENT_GPU = "cuda:99"


def samples(count: int) -> list[EditSample]:
    """The first samples of the miniature benchmark."""
    found = (item for item in load_samples(BENCHMARK, Selection()) if isinstance(item, EditSample))
    return list(islice(found, count))


def editor_on(setting: Setting, **params: Any) -> QwenImageEditModel:
    """The miniature editor; on a GPU in float32 unless the params say otherwise."""
    tiny = {"num_inference_steps": 2} if setting.tiny else {}
    return QwenImageEditModel({**EDITOR, **tiny, "device": setting.device, "dtype": "float32", **params})


def pixels(image: Image.Image) -> np.ndarray:
    """A picture as float numbers from 0 to 1."""
    return np.asarray(image, dtype=np.float32) / 255


def edit(editor: QwenImageEditModel) -> np.ndarray:
    """What the editor makes of the first sample."""
    (sample,) = samples(1)
    return pixels(editor.edit_image(sample.given_source.decode(), sample.instruction, seed=1))


def difference(what: str, one: np.ndarray, other: np.ndarray, bound: float | None) -> Finding:
    """Mean and largest difference of two pictures, in levels of 255; without a bound it is only measured."""
    gaps = np.abs(one - other)
    mean, most = float(gaps.mean()) * 255, float(gaps.max()) * 255
    return Finding(
        what,
        f"mean {mean:.3f}, most {most:.0f} of 255",
        "" if bound is None else f"mean ≤ {bound * 255:.2g}",
        None if bound is None else mean <= bound * 255,
        {"mean_levels": mean, "most_levels": most},
    )


def placement(setting: Setting) -> list[Finding]:
    """Weights lie where and in the type that is asked for, leave the device and come back."""
    before = allocated(setting)
    editor = editor_on(setting, device="auto" if setting.on_gpu else "cpu", dtype="auto")
    wanted = ("cuda:0", "bfloat16") if setting.on_gpu else ("cpu", "float32")
    first = edit(editor)
    findings = [_lies("device: auto, dtype: auto", editor, *wanted)]
    editor.unload_from_gpu()
    findings.append(_lies("unloaded", editor, "cpu", wanted[1]))
    if setting.on_gpu:
        left = (allocated(setting) - before) / MIB
        findings.append(Finding("left on the GPU, unloaded", f"{left:.1f} MiB", "≤ 16 MiB", left <= 16, {"mib": left}))
    editor.load_to_gpu()
    findings.append(_lies("loaded again", editor, *wanted))
    findings.append(difference("picture after it came back", first, edit(editor), 0.0))
    findings.append(_said(f"device: {ABSENT_GPU}", _refusal(), ["is asked for, but torch", "set device: auto"]))
    return findings


def _lies(what: str, editor: QwenImageEditModel, device: str, dtype: str) -> Finding:
    parts = [part for part in editor.pipe.components.values() if isinstance(part, torch.nn.Module)]
    weights = [tensor for part in parts for tensor in part.parameters()]
    found = sorted({f"{tensor.dtype} on {tensor.device}".removeprefix("torch.") for tensor in weights})
    return Finding(what, ", ".join(found), f"{dtype} on {device}", found == [f"{dtype} on {device}"])


def allocated(setting: Setting) -> int:
    """Bytes of the GPU that tensors hold, without the workspace that cuBLAS keeps for its next call."""
    if not setting.on_gpu:
        return 0
    gc.collect()
    torch._C._cuda_clearCublasWorkspaces()
    return torch.cuda.memory_allocated()


def _refusal() -> str:
    try:
        QwenImageEditModel.check_devices({**EDITOR, "device": ABSENT_GPU})
    except ModelError as error:
        return str(error)
    return "no error"


def _said(what: str, said: str, wanted: Sequence[str]) -> Finding:
    return Finding(what, said[:160], " … ".join(wanted)[:80], all(part in said for part in wanted))


def noise(setting: Setting) -> list[Finding]:
    """The noise of a sample comes from a generator on the CPU, so that float32 makes the same picture everywhere."""
    here, there = (
        randn_tensor((1, 16, 8, 8), generator=torch.Generator("cpu").manual_seed(7), device=torch.device(device)).cpu()
        for device in ("cpu", setting.device)
    )
    on_device, on_cpu = edit(editor_on(setting)), edit(editor_on(setting, device="cpu"))
    return [
        Finding(
            f"noise on {setting.device} − on the CPU",
            f"{float((here - there).abs().max()):g} at most",
            "0",
            torch.equal(here, there),
        ),
        _own_noise(setting.device),
        difference(f"picture on {setting.device} − on the CPU, float32", on_device, on_cpu, ROUNDING["float32"]),
    ]


def _own_noise(device: str) -> Finding:
    """What a pipeline draws without a generator comes from the sample's own, and the global one stays as it is."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device != "cpu" else []):
        torch.manual_seed(7)
        wanted = torch.randn(64, device=device)
        torch.manual_seed(1)
        with own_noise(7):
            drawn = torch.randn(64, device=device)
        next_one = torch.randn(64, device=device)
        torch.manual_seed(1)
        unmoved = torch.equal(next_one, torch.randn(64, device=device))
    equal = torch.equal(drawn, wanted)
    words = f"{'equal' if equal else 'other'} numbers, global generator {'unmoved' if unmoved else 'moved'}"
    return Finding("draws without a generator", words, "equal numbers, global generator unmoved", equal and unmoved)


def bfloat16(setting: Setting) -> list[Finding]:
    """The short number type makes on the GPU what it makes on the CPU, and the picture of the long one."""
    short, on_cpu = (edit(editor_on(setting, device=device, dtype="bfloat16")) for device in (setting.device, "cpu"))
    beside_cpu = difference(f"picture on {setting.device} − on the CPU, bfloat16", short, on_cpu, ROUNDING["bfloat16"])
    what = "picture in bfloat16 − in float32"
    if not same_noise_in_bfloat16():
        reason = f"torch {torch.__version__} draws other noise in bfloat16 than in float32 (2.14 does not)"
        return [beside_cpu, Finding(what, reason=reason, applies=False)]
    return [beside_cpu, difference(what, short, edit(editor_on(setting)), ROUNDING["bfloat16"])]


def same_noise_in_bfloat16() -> bool:
    """Whether torch draws equal numbers, but for rounding, in both types; torch 2.11 begins another picture instead."""
    long, short = (
        torch.randn(64, generator=torch.Generator().manual_seed(7), dtype=dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    return torch.equal(long.to(torch.bfloat16), short)


def batches(setting: Setting) -> list[Finding]:
    """Kernels for other shapes round differently: a batch is equal to single calls but for that."""
    chosen = samples(2 if setting.tiny else 8)
    sources, instructions = [one.given_source.decode() for one in chosen], [one.instruction for one in chosen]
    findings = []
    for dtype in ("float32", "bfloat16"):
        editor = editor_on(setting, dtype=dtype, batch_size=len(chosen))
        together = editor.batch_edit(sources, instructions, list(range(len(chosen))))
        pairs = zip(sources, instructions, strict=True)
        alone = [editor.edit_image(*pair, seed=seed) for seed, pair in enumerate(pairs)]
        what = f"{len(chosen)} edits in a batch − one by one, {dtype}"
        in_batch, single = (np.stack([*map(pixels, edits)]) for edits in (together, alone))
        findings.append(difference(what, in_batch, single, ROUNDING[dtype]))
    return findings


def offload(setting: Setting) -> list[Finding]:
    """Weights that wait in main memory make the same picture on the same device."""
    if not setting.on_gpu:
        raise DoesNotApply("on the CPU there is nothing to offload from")
    wanted = edit(editor_on(setting, dtype="bfloat16"))
    findings = []
    for kind in ("model", "sequential"):
        editor = editor_on(setting, dtype="bfloat16", offload=kind)
        found = difference(f"offload: {kind} − none", edit(editor), wanted, None)
        device = torch.device(str(editor.pipe._execution_device))
        on_gpu = (device.type, device.index or 0) == ("cuda", 0)
        holds = on_gpu and found.figures["most_levels"] <= LEVELS * 255
        measured = f"{found.measured}, on {device}"
        findings.append(Finding(found.what, measured, f"≤ {LEVELS * 255:.0f}, on the GPU", holds, found.figures))
    return findings


def out_of_memory(setting: Setting) -> list[Finding]:
    """The message is ours and says what to change, and with memory both go on working."""
    if not setting.on_gpu:
        raise DoesNotApply("a CPU has no memory of its own that could be filled")
    (sample,) = samples(1)
    editor = editor_on(setting, output_resolution=1024, num_inference_steps=2)
    judge = Qwen3VLRewardModel({**JUDGE, "device": setting.device, "batch_size": 64})
    question = Question("", (LabelledImage("", sample.given_source.decode()),), sample.instruction)

    def edited() -> str:
        try:
            editor.edit_image(sample.given_source.decode(), sample.instruction)
        except ModelError as error:
            return str(error)
        except RuntimeError as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    def judged() -> list[str]:
        return sorted({reply.error or "answered" for reply in judge.ask([question] * 64)})

    edited(), judged()  # the libraries of CUDA take their own memory at the first call
    filling = fill_memory()
    edit_said, judge_said = edited(), judged()
    del filling
    torch.cuda.empty_cache()
    named = all(one.startswith(("answered", "out of memory on cuda")) for one in judge_said)
    settings = QwenImageEditModel.MEMORY_SETTINGS
    return [
        _said("an edit without memory", edit_said, ["out of memory on cuda", settings]),
        Finding("64 judgements without memory", "; ".join(judge_said)[:160], "answered, or why not", named),
        _said("the edit with memory again", edited(), ["no error"]),
        _said("the judgements with memory again", "; ".join(judged()), ["answered"]),
    ]


def fill_memory() -> list[torch.Tensor]:
    """Takes nearly all memory that the driver has left."""
    taken: list[torch.Tensor] = []
    torch.cuda.empty_cache()
    block = 2**34
    while block >= LEFT_FREE // 2:
        if torch.cuda.mem_get_info()[0] < block + LEFT_FREE:
            block //= 2
            continue
        try:
            taken.append(torch.empty(block, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            block //= 2
    return taken
