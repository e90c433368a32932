"""Qwen-Image-Edit at full size with random weights through `QwenImageEditModel`: seconds per edit and peak memory.

    python -m benchmarks.qwen_full_size                 20B transformer, 7B text encoder, bfloat16; needs one 80 GB GPU
    python -m benchmarks.qwen_full_size --steps 8       with 8 steps alone: two minutes instead of fifteen
    python -m benchmarks.qwen_full_size --size tiny     the same code at a few million parameters, on the CPU

Random weights cost what trained ones cost. Each setting stands beside the stock pipeline's call on the same inputs,
which always encodes the source at a megapixel. The tokenizer is the miniature one: prompts are some tokens longer.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

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
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel

TOKENIZER = "assets/miniature/editor/tokenizer"
INSTRUCTION = "Make it night and light the windows."
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


class RandomQwenImageEdit(QwenImageEditModel):
    """The editor of the benchmark with weights that were never trained."""

    size = "full"

    def _class_name(self) -> str:
        return QwenImageEditPipeline.__name__

    def _load(self) -> QwenImageEditPipeline:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float32 if self.device == "cpu" else torch.bfloat16)
        with torch.device(self.device):
            pipeline = random_pipeline(SIZES[self.size])
        torch.set_default_dtype(torch.float32)
        return pipeline


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


def measured(call: Callable[[], Any], device: str) -> tuple[float, float]:
    """Seconds of one call, and the peak memory in GiB up to its end (of the process, on a CPU); NaN without memory."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    try:
        call()
    except (ModelError, torch.OutOfMemoryError) as error:
        if "memory" in str(error):
            torch.cuda.empty_cache()
            return math.nan, math.nan
        if "NaN" not in str(error):  # random weights may overflow: pictures without a meaning cost the same
            raise
    if device == "cpu":
        return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    torch.cuda.synchronize()
    return time.perf_counter() - started, torch.cuda.max_memory_allocated() / 2**30


def main() -> None:
    """The value is how many times faster than stock an edit is at the smallest setting."""
    parser = command_line(__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--steps", type=int, nargs="+", help="numbers of denoising steps instead of the size's own")
    given = parser.parse_args()
    RandomQwenImageEdit.size = given.size
    size = SIZES[given.size]
    model = RandomQwenImageEdit({"model_name": "random", "batch_size": 4})
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (768, 768, 3), dtype=np.uint8))
    model.pipe(image=picture, prompt="warm up", num_inference_steps=1, height=64, width=64)
    rows = []
    for side, condition in size["resolutions"]:
        for steps in given.steps or size["steps"]:
            stock_call = {"image": picture, "prompt": INSTRUCTION, "negative_prompt": " ", "true_cfg_scale": 4.0}
            call = partial(model.pipe, **stock_call, height=side, width=side, num_inference_steps=steps)
            stock = measured(call, model.device)
            for batch in (1, 4):
                changes = {"output_resolution": side, "condition_resolution": condition, "num_inference_steps": steps}
                model.params = model.params.model_copy(update=changes)
                arguments = ([picture] * batch, [INSTRUCTION] * batch, list(range(batch)))
                seconds, memory = measured(partial(model.batch_edit, *arguments), model.device)
                each = seconds / batch
                rows.append((side, condition, steps, batch, each, memory, stock[0], stock[1], stock[0] / each))
                print(rows[-1], file=sys.stderr)  # so that a run which is cut off leaves its figures
    columns = ["output", "condition", "steps", "batch", "s per edit", "peak GiB", "stock s", "stock GiB", "× faster"]
    name = torch.cuda.get_device_name() if model.device != "cpu" else "CPU"
    show(f"Qwen-Image-Edit, {RandomQwenImageEdit.size} size, random weights, {name}", columns,
         [[str(value) if isinstance(value, int) else f"{value:.2f}" for value in row] for row in rows])  # fmt: skip
    close("qwen_full_size", rows[-1][-1], f"× stock at {rows[-1][0]} px, {rows[-1][2]} steps, batch 4", ">= 1")


if __name__ == "__main__":
    main()
