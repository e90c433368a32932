"""Memory and time of a training step through the conditioning at full size, by arithmetic from the presets alone.

    python -m benchmarks.conditioning_arithmetic              both presets, by every way of sharding; minutes
    python -m benchmarks.conditioning_arithmetic --no-memory  time per step and the check alone

No weights are needed and nothing is downloaded: the shapes are those of `src/training/memory/architectures.py`. Memory
is computed as `python main.py check` computes it. Time is the number of floating-point operations over the rates that
`qwen_full_size` measured on an H100 for painting, and over assumed ones for the policy. The same formulas are compared
with what the miniature models hold and compute: bytes must be equal, activations and operations nearly so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import close, command_line, show
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from src.models.diffusion.implementations.qwen_image_edit import QwenImageEditModel
from src.registry import load_class
from src.training.config import PolicySettings, TrainingConfig, load_training_config
from src.training.grpo.settings import grpo_config
from src.training.memory.architectures import QWEN_IMAGE, vision_language_config
from src.training.memory.editor_memory import editor_memory
from src.training.memory.live_bytes import LiveBytes
from src.training.memory.parts import GIB, Sharding, peak
from src.training.memory.policy_memory import (
    SequenceLengths,
    conditioning_memory,
    count,
    hidden_states,
    kv_cache,
    lengths,
    policy_memory,
)
from src.training.memory.text_encoder import keeps_own_encoder, shown_pictures

PRESETS = sorted(Path("configs/training").glob("qwen*_conditioning_*.yaml"))
SHARDINGS = {
    "DDP": Sharding(),
    "ZeRO-2": Sharding(kind="zero2"),
    "ZeRO-3": Sharding(kind="zero3"),
    "ZeRO-3, offload": Sharding(kind="zero3", optimizer_offload=True, weights_offload=True),
    "FSDP 2": Sharding(kind="fsdp"),
}
MEASURED = {1024: 7.42, 512: 2.36}
"""Seconds of one edit of 8 steps with guidance at this output and condition side, on an H100 (benchmarks/README.md)."""
MEASURED_CALLS = 16
BANDWIDTH = 3.35e12
"""Bytes a second that an H100 SXM reads (NVIDIA's data sheet)."""
PEAK = 989e12
"""Operations a second of an H100 SXM in dense bfloat16 (NVIDIA's data sheet)."""
POLICY_SHARE = 0.4
"""Assumed: the share of `PEAK` that forward and backward passes of the policy reach."""
LAUNCHING = 0.03
"""Assumed: seconds in which transformers' `generate` starts the kernels of one token, whatever the batch."""
PATCH = 16
"""Pixels of a side of what is one token to the transformer: the autoencoder's 8, twice."""
HEAD = 128
"""`attention_head_dim`, a default of the transformer's class."""
MINIATURE_EDITOR, MINIATURE_POLICY = "assets/miniature/editor", "assets/miniature/policy"


@dataclass(frozen=True)
class Transformer:
    """What decides the operations of a diffusion transformer of Qwen-Image."""

    layers: int
    width: int
    text_width: int
    channels: int
    out_channels: int
    patch: int = 2

    def operations(self, image: int, text: int) -> float:
        """Floating-point operations of one call for one picture.

        Args:
            image: Tokens of the picture and of the sources that stand beside it.
            text: Tokens of the conditioning.
        """
        d, tokens = self.width, image + text
        # In each layer and of each stream: q, k, v and out (4 d²), and the MLP (8 d²); once a call, 6 d² of modulation.
        layer = 2 * 12 * d * d * tokens + 4 * tokens * tokens * d + 2 * 2 * 6 * d * d
        ends = image * (self.channels + self.out_channels * self.patch**2) + text * self.text_width
        return float(self.layers * layer + 2 * d * ends)


@dataclass(frozen=True)
class Policy:
    """What decides the operations of the language model of a policy."""

    name: str

    @property
    def matrices(self) -> int:
        """Parameters of the linear layers, without the head."""
        text = vision_language_config(self.name).get_text_config()
        wide, inner = text.hidden_size, text.intermediate_size
        narrow = text.num_key_value_heads * wide // text.num_attention_heads
        return int(text.num_hidden_layers * (2 * wide * wide + 2 * wide * narrow + 3 * wide * inner))

    def operations(self, tokens: int) -> float:
        """Floating-point operations of a forward pass over one sequence, every token seeing every other."""
        text = vision_language_config(self.name).get_text_config()
        attention = 4 * tokens * tokens * text.hidden_size * text.num_hidden_layers
        return 2.0 * self.matrices * tokens + attention

    def head(self, tokens: int) -> float:
        """Floating-point operations of the logits of so many tokens."""
        text = vision_language_config(self.name).get_text_config()
        return 2.0 * text.hidden_size * text.vocab_size * tokens


def full_transformer() -> Transformer:
    """The transformer of Qwen-Image and Qwen-Image-Edit."""
    shape = QWEN_IMAGE["transformer"]
    heads: int = shape["num_attention_heads"]
    return Transformer(shape["num_layers"], heads * HEAD, shape["joint_attention_dim"], 64, 16)


def painting(side: int, condition: int, text: int) -> float:
    """Operations of one call of the full-size transformer."""
    return full_transformer().operations((side // PATCH) ** 2 + (condition // PATCH) ** 2, text)


def painting_rates() -> list[float]:
    """Operations a second that were reached on an H100, the slower first."""
    text = 1100  # the source of 768² pixels is shown at 1024²; some tokens more or less change little
    rates = [MEASURED_CALLS * painting(side, side, text) / seconds for side, seconds in MEASURED.items()]
    return sorted(rates)


def step_seconds(config: TrainingConfig, sizes: SequenceLengths) -> dict[str, float]:
    """Seconds of the parts of a step on one GPU, at the slower of the measured rates of painting."""
    policy, arguments = Policy(config.policy.model), grpo_config(config.training)
    whole = policy.operations(sizes.tokens) * sizes.rollouts
    reading = 2 * policy.matrices + kv_cache(policy.name, sizes.rollouts * sizes.tokens, 2)
    decoding = sizes.completion * (reading / BANDWIDTH + LAUNCHING)
    prompts = policy.operations(sizes.prompt) * sizes.rollouts / (PEAK * POLICY_SHARE)
    # Forward, once more where it is checkpointed, gradients of what flows back, and of weights where all are trained.
    passes = 2 + bool(arguments.gradient_checkpointing) + (config.policy.lora is None)
    logits = 3 * policy.head(sizes.rollouts * sizes.completion)
    return {
        "completions": prompts + decoding,
        "conditionings": whole / (PEAK * POLICY_SHARE),
        "pictures": _painted(config, sizes) / painting_rates()[0],
        "update": (passes * whole + logits) / (PEAK * POLICY_SHARE),
    }


def _painted(config: TrainingConfig, sizes: SequenceLengths) -> float:
    """Operations of all pictures of a step on one GPU."""
    assert config.diffusion_model is not None, "a training through the conditioning paints"
    model = load_class(config.diffusion_model.class_path, object)
    task: Any = config.task.params.get("noise_seeds", 1)
    if issubclass(model, QwenImageModel):
        params: Any = model.Params(**config.diffusion_model.params)
        tokens = params.width * params.height // PATCH**2
    else:
        assert issubclass(model, QwenImageEditModel), "only these can be given a conditioning"
        params = model.Params(**config.diffusion_model.params)
        tokens = (params.output_resolution // PATCH) ** 2 + (params.condition_resolution // PATCH) ** 2
    guidance = 4.0 if params.true_cfg_scale is None else params.true_cfg_scale
    calls = (params.num_inference_steps or 50) * (2 if guidance > 1 else 1)
    return sizes.rollouts * task * calls * full_transformer().operations(tokens, sizes.tokens)


def sizes_of(config: TrainingConfig) -> SequenceLengths:
    """The lengths on one GPU of a preset; a process has the batch of the file."""
    images, side = shown_pictures(config) or (0, None)
    return lengths(config.policy, grpo_config(config.training), images, side, 1)


def memory_rows(config: TrainingConfig, sizes: SequenceLengths) -> Iterator[list[str]]:
    """A row for each way of sharding: GiB of the parts on one GPU, and of its fullest moment."""
    assert config.hardware is not None, "a preset names its hardware"
    assert config.diffusion_model is not None, "a training through the conditioning paints"
    processes, arguments = len(config.hardware.training), grpo_config(config.training)
    own_encoder = keeps_own_encoder(config, config.diffusion_model)
    painter = list(editor_memory(config.diffusion_model, own_encoder=own_encoder))
    for name, sharding in SHARDINGS.items():
        spread = replace(sharding, processes=processes)
        policy = [
            *policy_memory(config.policy, arguments, spread, sizes),
            *conditioning_memory(config.policy, arguments, spread, sizes),
        ]
        groups = {
            "weights": ("weights, frozen", "weights, trained", "buckets"),
            "gathered": ("gathered weights",),
            "gradients, optimizer": ("gradients", "optimizer"),
            "activations": ("activations", "log-probabilities"),
            "KV cache": ("KV cache", "prompts, first pass"),
            "pass": ("hidden states",),
        }
        cells = [
            max(sum(one.size for one in policy if one.name in names and one.phase in ("always", phase)) for phase in
                ("rollout", "condition", "edit", "update"))
            for names in groups.values()
        ]  # fmt: skip
        cells += [sum(one.size for one in painter), peak([*policy, *painter])]
        yield [name, *(f"{cell / GIB:.1f}" for cell in cells)]


def relative(computed: float, measured: float) -> float:
    """The difference, as a share of what was measured."""
    return abs(computed - measured) / measured


def bytes_checked() -> list[tuple[str, float, float]]:
    """Computed and measured bytes of the miniature policy's weights, gradients and optimizer, and of its editor."""
    from transformers import AutoModelForImageTextToText
    from trl import GRPOConfig

    settings = PolicySettings(model=MINIATURE_POLICY, dtype="float32", freeze_vision_tower=False)
    arguments = GRPOConfig(output_dir="unused", per_device_train_batch_size=8, use_cpu=True, bf16=False)
    found = policy_memory(settings, arguments, Sharding(), SequenceLengths(1, 1, 8, 8))
    computed = {part.name: part.size for part in found}
    model = AutoModelForImageTextToText.from_pretrained(MINIATURE_POLICY, dtype=torch.float32)
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    states = sum(value.nbytes for state in optimizer.state.values() for value in state.values() if value.numel() > 1)
    weights = sum(weight.nbytes for weight in model.parameters())
    gradients = sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
    return [
        ("weights", computed["weights, trained"], weights),
        ("weights, counted", 4.0 * count(settings).total, weights),
        ("gradients", computed["gradients"], gradients),
        ("optimizer", computed["optimizer"], states),
    ]


def operations_checked() -> list[tuple[str, float, float]]:
    """Computed and measured activations and operations of the miniature policy and transformer."""
    from diffusers import QwenImageTransformer2DModel
    from transformers import AutoModelForImageTextToText

    tokens = 256
    decoder = AutoModelForImageTextToText.from_pretrained(MINIATURE_POLICY, dtype=torch.float32).get_decoder()
    embedded = torch.randn(1, tokens, decoder.config.hidden_size)
    with torch.no_grad(), LiveBytes() as live, torch.autocast("cpu", torch.bfloat16):
        decoder(inputs_embeds=embedded, use_cache=False, output_hidden_states=True)
    settings = PolicySettings(model=MINIATURE_POLICY, dtype="float32")
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as passing:
        decoder(inputs_embeds=embedded, use_cache=False)
    painter = QwenImageTransformer2DModel.from_pretrained(MINIATURE_EDITOR, subfolder="transformer")
    config: Any = painter.config
    width = config.num_attention_heads * config.attention_head_dim
    shape = Transformer(config.num_layers, width, config.joint_attention_dim, config.in_channels, config.out_channels)
    side, text = 16, 100
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as painted:
        painter(
            hidden_states=torch.randn(1, side * side, config.in_channels),
            encoder_hidden_states=torch.randn(1, text, config.joint_attention_dim),
            timestep=torch.tensor([0.5]),
            img_shapes=[[(1, side, side)]],
        )
    return [
        ("activations of the pass", hidden_states(settings, tokens, Sharding()), live.peak),
        ("operations of the pass", Policy(MINIATURE_POLICY).operations(tokens), passing.get_total_flops()),
        ("operations of the transformer", shape.operations(side * side, text), painted.get_total_flops()),
    ]


def main() -> None:
    """Prints time and memory of the presets, then the check; the last line is the worst relative difference."""
    parser = command_line(__doc__)
    parser.add_argument("--no-memory", action="store_true", help="leave the memory of the presets out")
    chosen = parser.parse_args()
    for path in PRESETS:
        config = load_training_config(path)
        sizes = sizes_of(config)
        seconds = step_seconds(config, sizes)
        faster = seconds["pictures"] * painting_rates()[0] / painting_rates()[-1]
        rows = [[name, f"{value:.0f}"] for name, value in seconds.items()]
        rows += [["all", f"{sum(seconds.values()):.0f}"], ["pictures, at the faster rate", f"{faster:.0f}"]]
        show(f"{path.stem}: a step of {sizes.rollouts} completions on each H100", ["part", "seconds"], rows)
        if not chosen.no_memory:
            columns = ["sharding", "weights", "gathered", "gradients, optimizer", "activations", "KV cache", "pass"]
            show(f"{path.stem}: GiB a GPU", [*columns, "painter", "fullest moment"], list(memory_rows(config, sizes)))
    exact, near = bytes_checked(), operations_checked()
    rows = [[name, f"{mine:,.0f}", f"{real:,.0f}", f"{relative(mine, real):.4f}"] for name, mine, real in exact + near]
    show("The miniature models", ["", "computed", "measured", "difference"], rows)
    worst = max(relative(mine, real) for _, mine, real in near)
    equal = all(mine == real for _, mine, real in exact)
    unit = "of activations and operations measured, the worst difference; weights, gradients and optimizer equal"
    close("conditioning_arithmetic", worst, unit, "<= 0.02", besides=equal)


if __name__ == "__main__":
    main()
