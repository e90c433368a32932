"""Qwen-Image-Edit at full size with random weights through `QwenImageEditModel`: seconds per edit and peak memory.

    python -m benchmarks.qwen_full_size                 20B transformer, 7B text encoder, bfloat16; needs one 80 GB GPU
    python -m benchmarks.qwen_full_size --guidance 1    without guidance
    python -m benchmarks.qwen_full_size --steps 8       with 8 steps alone: two minutes instead of fifteen
    python -m benchmarks.qwen_full_size --size tiny     the same code at a few million parameters, on the CPU

Random weights cost what trained ones cost. Each setting stands beside the stock pipeline's call on the same inputs,
which always encodes the source at a megapixel; both have made a picture of that size before they are timed. A GPU
without room for all layers gets as many as fit. The tokenizer is the miniature one: prompts are some tokens longer.
`python -m benchmarks.gpu_check` measures the same in less time, among other things.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImageEditPipeline,
    QwenImageTransformer2DModel,
)
from PIL import Image
from transformers import (
    AutoTokenizer,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from benchmarks.harness import close, command_line, show
from src.errors import ModelError
from src.models.device import free_memory
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel

TOKENIZER = "assets/miniature/editor/tokenizer"
INSTRUCTION = "Make it night and light the windows."
ACTIVATIONS_GIB = 18.0
"""What an edit of four pictures at 1024 takes beside the weights: 16.4 GiB on an H100, guidance on."""
WARM_UP_STEPS = 2
"""With one step the scheduler has no last one to shift, and makes NaN."""
VISION = {"patch_size": 14, "temporal_patch_size": 2, "spatial_merge_size": 2, "window_size": 112}

SIZES: dict[str, dict[str, Any]] = {
    "full": {
        "text": {
            "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
        },
        "vision": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
            "fullatt_block_indexes": [7, 15, 23, 31],
        },
        "sections": [16, 24, 24],
        "transformer": {"num_layers": 60, "num_attention_heads": 24, "joint_attention_dim": 3584},
        "vae": {},
        "resolutions": ((1024, 1024), (512, 512)),
        "steps": (50, 8),
    },
    "tiny": {
        "text": {
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": 2048,
        },
        "vision": {
            "depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 1, "out_hidden_size": 64,
            "fullatt_block_indexes": [1],
        },
        "sections": [8, 12, 12],
        "transformer": {"num_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 64},
        "vae": {"base_dim": 8},
        "resolutions": ((64, 64),),
        "steps": (2,),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What one call took: seconds, and the peak of memory in GiB up to its end (of the process, on a CPU)."""

    seconds: float
    gib: float


@dataclass(frozen=True)
class Point:
    """One setting of the measurement.

    Attributes:
        side: Of the square whose area the output has.
        condition: The same for the source as the autoencoder sees it; stock is 1024.
        steps: Number of denoising steps.
        guidance: `true_cfg_scale`.
        batch: Edits at once.
    """

    side: int
    condition: int
    steps: int
    guidance: float
    batch: int


class RandomQwenImageEdit(QwenImageEditModel):
    """The editor of the benchmark with weights that were never trained."""

    size: ClassVar[dict[str, Any]] = SIZES["full"]

    def _class_name(self) -> str:
        return QwenImageEditPipeline.__name__

    def _load(self) -> QwenImageEditPipeline:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float32 if self.device == "cpu" else torch.bfloat16)
        try:
            with torch.device(self.device):
                return random_pipeline(self.size)
        finally:
            torch.set_default_dtype(torch.float32)


def random_pipeline(size: dict[str, Any]) -> QwenImageEditPipeline:
    """A pipeline of the published architecture with the given widths and depths."""
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad", "vision_start")}
    config = Qwen2_5_VLConfig(
        text_config={**size["text"], "rope_scaling": {"type": "default", "mrope_section": size["sections"]}},
        vision_config={**VISION, **size["vision"]},
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
    )
    pictures = {key: VISION[key] for key in ("patch_size", "temporal_patch_size")} | {"merge_size": 2}
    return QwenImageEditPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.02, max_shift=0.9),
        vae=AutoencoderKLQwenImage(**size["vae"]),
        text_encoder=Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=tokenizer,
        processor=Qwen2VLProcessor(Qwen2VLImageProcessor(**pictures), tokenizer, Qwen2VLVideoProcessor(**pictures)),
        transformer=QwenImageTransformer2DModel(**size["transformer"]),
    )


def random_editor(size: dict[str, Any], device: str = "auto") -> RandomQwenImageEdit:
    """The editor of a size, after a first small picture."""
    RandomQwenImageEdit.size = size
    # With steps and guidance of its own, the model looks for none in a checkpoint, which is not there.
    own = {"num_inference_steps": 1, "true_cfg_scale": 4.0}
    model = RandomQwenImageEdit({"model_name": "random", "batch_size": 4, "device": device, **own})
    model.pipe(image=picture(), prompt="warm up", num_inference_steps=WARM_UP_STEPS, height=64, width=64)
    return model


def picture() -> Image.Image:
    """The source of all edits."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (768, 768, 3), dtype=np.uint8))


def measured(call: Callable[[], Any], device: str) -> Cost:
    """The cost of one call.

    Raises:
        ModelError: out of memory, whoever noticed it; the memory is free again.
    """
    if device != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    try:
        call()
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise ModelError(f"out of memory ({error})") from error
    except ModelError as error:
        if "NaN" not in str(error):  # random weights may overflow: pictures without a meaning cost the same
            free_memory()
            raise
    if device == "cpu":
        return Cost(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    torch.cuda.synchronize()
    return Cost(time.perf_counter() - started, torch.cuda.max_memory_allocated() / 2**30)


def stock_cost(model: RandomQwenImageEdit, point: Point, warm: bool = True) -> Cost:
    """The stock pipeline's call with the point's output size, steps and guidance; it takes one picture."""
    arguments: dict[str, Any] = {"image": picture(), "prompt": INSTRUCTION, "true_cfg_scale": point.guidance}
    if point.guidance > 1:
        arguments["negative_prompt"] = " "
    call = partial(model.pipe, **arguments, height=point.side, width=point.side)
    if warm:
        measured(partial(call, num_inference_steps=WARM_UP_STEPS), model.device)
    return measured(partial(call, num_inference_steps=point.steps), model.device)


def edit_cost(model: RandomQwenImageEdit, point: Point, warm: bool = True) -> Cost:
    """One call of the editor with the point's batch; `warm` lets it make a picture of the size in one step before."""
    changes = {
        "output_resolution": point.side,
        "condition_resolution": point.condition,
        "true_cfg_scale": point.guidance,
    }
    model.params = model.params.model_copy(update=changes)
    arguments = ([picture()] * point.batch, [INSTRUCTION] * point.batch, list(range(point.batch)))
    call = partial(model.batch_edit, *arguments)
    if warm:
        measured(partial(call, num_inference_steps=WARM_UP_STEPS), model.device)
    return measured(partial(call, num_inference_steps=point.steps), model.device)


def fitting(size: dict[str, Any], gib: float) -> dict[str, Any]:
    """The size with as many layers of text encoder and transformer, in equal share, as fit into so much memory.

    Raises:
        ModelError: not even one layer of each fits.
    """
    text, transformer = size["text"]["num_hidden_layers"], size["transformer"]["num_layers"]
    weights = {layers: _weights_gib(size, *layers) for layers in ((1, 1), (2, 1), (1, 2))}
    each = [weights[layers] - weights[1, 1] for layers in ((2, 1), (1, 2))]
    room = gib - ACTIVATIONS_GIB - weights[1, 1]
    if room < 0:
        needed = gib - room
        raise ModelError(f"{gib:.1f} GiB are free, and one layer of each with its activations takes {needed:.1f}")
    share = min(1.0, room / ((text - 1) * each[0] + (transformer - 1) * each[1]))
    return with_layers(size, 1 + int(share * (text - 1)), 1 + int(share * (transformer - 1)))


def with_layers(size: dict[str, Any], text: int, transformer: int) -> dict[str, Any]:
    """A size with other numbers of layers."""
    return size | {
        "text": size["text"] | {"num_hidden_layers": text},
        "transformer": size["transformer"] | {"num_layers": transformer},
    }


def _weights_gib(size: dict[str, Any], text: int, transformer: int) -> float:
    """Memory of the weights in bfloat16, by building them without any."""
    with torch.device("meta"):
        pipeline = random_pipeline(with_layers(size, text, transformer))
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return sum(tensor.numel() for part in parts for tensor in part.parameters()) * 2 / 2**30


def main() -> None:
    """The value is how many times faster than stock an edit is at the smallest setting."""
    parser = command_line(__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--steps", type=int, nargs="+", help="numbers of denoising steps instead of the size's own")
    parser.add_argument("--guidance", type=float, nargs="+", default=[4.0], help="values of true_cfg_scale (4)")
    given = parser.parse_args()
    size = SIZES[given.size]
    if given.size == "full":
        if not torch.cuda.is_available():
            parser.exit(2, f"torch {torch.__version__} sees no GPU; --size tiny runs the same code on a CPU\n")
        size = fitting(size, torch.cuda.mem_get_info()[0] / 2**30)
    model = random_editor(size)
    rows, last = [], None
    for (side, condition), guidance in product(size["resolutions"], given.guidance):
        for steps in given.steps or size["steps"]:
            points = [Point(side, condition, steps, guidance, batch) for batch in (1, 4)]
            stock = stock_cost(model, points[0])
            for point in points:
                try:
                    cost = edit_cost(model, point)
                except ModelError as error:
                    rows.append([*map(str, astuple(point)), str(error)[:60], "", "", "", ""])
                else:
                    last = point, stock.seconds / (cost.seconds / point.batch)
                    figures = (cost.seconds / point.batch, cost.gib, stock.seconds, stock.gib, last[1])
                    rows.append([*map(str, astuple(point)), *(f"{figure:.2f}" for figure in figures)])
                print(rows[-1], file=sys.stderr)  # so that a run which is cut off leaves its figures
    columns = ["output", "condition", "steps", "guidance", "batch"]
    columns += ["s per edit", "peak GiB", "stock s", "stock GiB", "× faster"]
    name = torch.cuda.get_device_name() if model.device != "cpu" else "CPU"
    show(f"Qwen-Image-Edit, {described(size)}, random weights, {name}", columns, rows)
    if last is None:
        raise SystemExit("no setting had enough memory")
    point, faster = last
    close("qwen_full_size", faster, f"× stock at {point.side} px, {point.steps} steps, batch {point.batch}", ">= 1")


def described(size: dict[str, Any]) -> str:
    """The depth of a size, beside the published one."""
    published = SIZES["full"]
    pairs = [
        (part["text"]["num_hidden_layers"], part["transformer"]["num_layers"], part["text"]["hidden_size"])
        for part in (size, published)
    ]
    if pairs[0] == pairs[1]:
        return "full size"
    if pairs[0][2] != pairs[1][2]:
        return "tiny size"
    (text, transformer, _), (all_text, all_transformer, _) = pairs
    return f"full width, {transformer} of {all_transformer} layers and {text} of {all_text} of the text encoder"


if __name__ == "__main__":
    main()
