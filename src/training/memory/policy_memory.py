"""The memory of a policy on each GPU that trains it. Nothing is loaded: the code runs on tensors without content."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.training.config import PolicySettings
from src.training.grpo.policy import add_adapter, vision_towers
from src.training.memory.architectures import vision_language_config
from src.training.memory.live_bytes import LiveBytes
from src.training.memory.parts import MemoryPart, Phase, Sharding

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel
    from trl import GRPOConfig

TEXT_TOKENS = 512
"""Estimate of a prompt without its pictures: those of `prompts/rewrite`, with a scorer's rules of form, have some 1,400
characters beside the user's words."""
LARGEST_SIDE = 1024
"""Pixels of a picture, where neither data nor `policy.image_max_side` tell."""
FEW_LAYERS = 2
LIVE_PARAMETERS = 1e9
"""DeepSpeed's `stage3_max_live_parameters`: what of the others' weights ZeRO-3 keeps gathered."""
BUCKET = 5e8
"""DeepSpeed's buckets for reducing gradients, in parameters, with overlap twice."""
LOGITS_TILE = 4096 * 32768
"""Positions × vocabulary of the tiles in which TRL (1.16) computes log-probabilities."""

CONSTRAINED = 31.0
"""Bytes for each logit of the completions of a forward pass when a token editor's tokens are scored, of which the whole
vocabulary's are needed: logits of autocast, in float32 and scaled, those of allowed tokens alone, and their gradients.
By `LiveBytes`."""


@dataclass(frozen=True)
class ParameterCounts:
    """How many parameters a policy has."""

    total: int
    """Parameters of the base model, without an adapter."""
    trained: int
    """Trained parameters: those of the adapter, or all that are not frozen."""


@dataclass(frozen=True)
class SequenceLengths:
    """The lengths of the sequences that a process works on at once."""

    batch: int
    """Completions of an update's forward pass."""
    rollouts: int
    """Completions that are generated together."""
    prompt: int
    completion: int

    @property
    def tokens(self) -> int:
        """The number of tokens of one prompt with its completion."""
        return self.prompt + self.completion


def lengths(
    settings: PolicySettings, arguments: GRPOConfig, images: int, side: int | None, processes: int
) -> SequenceLengths:
    """Computes the lengths from the settings, for pictures as large as they may be.

    Args:
        settings: Section `policy`.
        arguments: Of the trainer, as if one process worked on what all do.
        images: In a prompt.
        side: Of the square with the area of the largest picture, in pixels; None where it is not known.
        processes: Among which the work is divided.
    """
    pixels = _token_side(vision_language_config(settings.model))
    told = side or settings.image_max_side or LARGEST_SIDE
    side = min(told, settings.image_max_side or told)
    batch = arguments.per_device_train_batch_size // processes
    return SequenceLengths(
        batch=batch,
        rollouts=batch * int(arguments.steps_per_generation or 1),
        prompt=images * round(side / pixels) ** 2 + TEXT_TOKENS,
        completion=int(arguments.max_completion_length or 0),
    )


def _token_side(config: Any) -> int:
    """The side in pixels of the square of a picture that becomes one token."""
    if (codec := getattr(config, "vq_config", None)) is not None:
        return int(2 ** (len(codec.channel_multiplier) - 1))
    vision = config.vision_config
    return int(vision.patch_size * getattr(vision, "spatial_merge_size", 1))


def count(settings: PolicySettings) -> ParameterCounts:
    """Counted on modules without content, with the adapter as peft makes it."""
    model = _hollow(settings)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    total = sum(weight.numel() for name, weight in model.named_parameters() if "lora_" not in name)
    return ParameterCounts(total, trained)


def policy_memory(
    settings: PolicySettings, arguments: GRPOConfig, sharding: Sharding, sizes: SequenceLengths
) -> Iterator[MemoryPart]:
    """Weights, gradients, optimizer, reference model, activations and log-probabilities of one process.

    Trained weights are in float32 or, with DeepSpeed, in bfloat16 with float32 copies: 16 bytes a parameter either way
    (weight, gradient, and the copy and two moments of AdamW).
    """
    counts = count(settings)
    adapter = settings.lora is not None
    if adapter:
        size = 2 if settings.dtype in ("auto", "bfloat16", "float16") else 4
        yield MemoryPart("weights, frozen", _held(counts.total * size, sharding))
    else:
        yield MemoryPart("weights, frozen", _held((counts.total - counts.trained) * _width(sharding), sharding))
    yield MemoryPart("weights, trained", _held(counts.trained * _width(sharding), sharding))
    if not sharding.optimizer_offload:
        master = 4 if sharding.is_deepspeed else 0
        yield MemoryPart("optimizer", counts.trained * (8 + master) / sharding.gradients)
    yield MemoryPart("gradients", counts.trained * _width(sharding) / sharding.gradients, "update")
    yield from _buffers(counts, sharding)
    if arguments.beta and not adapter:
        yield MemoryPart("reference model", _held(counts.total * _width(sharding), sharding))
    yield MemoryPart(
        "activations", activations(settings, sizes, sharding, bool(arguments.gradient_checkpointing)), "update"
    )
    yield MemoryPart("log-probabilities", _log_probabilities(settings, sizes), "update")
    if not arguments.use_vllm:
        yield from generation_memory(settings, sizes)
        yield from whole_for("rollout", counts, arguments, sharding)


def whole_for(phase: Phase, counts: ParameterCounts, arguments: GRPOConfig, sharding: Sharding) -> Iterator[MemoryPart]:
    """The weights that TRL gathers from ZeRO-3's shards before the policy writes, or encodes what it wrote.

    With `ds3_gather_for_generation: false` they are gathered as far as in an update; FSDP 2 gathers layer by layer.
    """
    if sharding.kind == "zero3":
        gathered = counts.total if arguments.ds3_gather_for_generation else min(LIVE_PARAMETERS, counts.total)
        yield MemoryPart("gathered weights", gathered * 2, phase)


def conditioning_memory(
    settings: PolicySettings, arguments: GRPOConfig, sharding: Sharding, sizes: SequenceLengths
) -> Iterator[MemoryPart]:
    """The pass in which a policy that is a text encoder encodes one completion after the other."""
    yield MemoryPart("hidden states", hidden_states(settings, sizes.tokens, sharding), "condition")
    yield from whole_for("condition", count(settings), arguments, sharding)


def hidden_states(settings: PolicySettings, tokens: int, sharding: Sharding) -> float:
    """Bytes at the fullest moment of a pass without gradients over one row that keeps the states of all layers.

    Found as `activations` are.
    """
    import torch

    def run(decoder: Any, embedded: torch.Tensor) -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            decoder(inputs_embeds=embedded, use_cache=False, output_hidden_states=True)

    depth = vision_language_config(settings.model).get_text_config().num_hidden_layers
    row = SequenceLengths(1, 1, tokens, 0)
    return _over_layers(depth, lambda layers: _live_bytes(settings, row, sharding, False, layers, run))


def rollout_memory(arguments: GRPOConfig, gpu: float) -> Iterator[MemoryPart]:
    """The share of vLLM beside the policy: it is taken at once, for weights and KV cache.

    Args:
        arguments: Of the trainer.
        gpu: Bytes.
    """
    if arguments.use_vllm and arguments.vllm_mode == "colocate":
        phase: Any = "rollout" if arguments.vllm_enable_sleep_mode else "always"
        yield MemoryPart("vLLM", arguments.vllm_gpu_memory_utilization * gpu, phase, reserved=True)


def _width(sharding: Sharding) -> int:
    """Bytes of a trained weight as the forward pass holds it."""
    return 2 if sharding.is_deepspeed else 4


def _held(size: float, sharding: Sharding) -> float:
    return 0.0 if sharding.weights_offload else size / sharding.weights


def _buffers(counts: ParameterCounts, sharding: Sharding) -> Iterator[MemoryPart]:
    if sharding.kind in ("zero3", "fsdp"):
        yield MemoryPart("gathered weights", min(LIVE_PARAMETERS, counts.total) * 2, "update")
    if sharding.is_deepspeed:
        yield MemoryPart("buckets", 2 * min(BUCKET, counts.trained) * 2, "update")


def activations(settings: PolicySettings, sizes: SequenceLengths, sharding: Sharding, checkpointing: bool) -> float:
    """Bytes at the fullest moment of a forward and a backward pass of the language model, found by running them.

    They run on tensors without content (`FakeTensorMode`): what each operation of the real code would allocate is
    counted, gradients of weights excepted. Two runs with few layers tell what each further layer adds. Vision towers
    are frozen and small beside it.
    """
    depth = vision_language_config(settings.model).get_text_config().num_hidden_layers
    return _over_layers(depth, lambda layers: _rehearsed(settings, sizes, sharding, checkpointing, layers))


def _over_layers(depth: int, measured: Callable[[int], float]) -> float:
    """What all layers take, by two runs with few."""
    if depth <= 2 * FEW_LAYERS:
        return measured(depth)
    few, more = (measured(number * FEW_LAYERS) for number in (1, 2))
    return few + (depth - FEW_LAYERS) * (more - few) / FEW_LAYERS


def _rehearsed(
    settings: PolicySettings, sizes: SequenceLengths, sharding: Sharding, checkpointing: bool, layers: int
) -> float:
    import torch

    def run(decoder: Any, embedded: torch.Tensor) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            hidden = decoder(inputs_embeds=embedded, use_cache=False).last_hidden_state
        hidden.sum().backward()

    return _live_bytes(settings, sizes, sharding, checkpointing, layers, run)


def _live_bytes(
    settings: PolicySettings,
    sizes: SequenceLengths,
    sharding: Sharding,
    checkpointing: bool,
    layers: int,
    run: Callable[[Any, torch.Tensor], None],
) -> float:
    """Bytes at the fullest moment of something that the language model does, on tensors without content."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    half = settings.dtype != "float32" if settings.lora is not None else sharding.kind != "whole"
    model = _hollow(settings, half=half, layers=layers)
    with FakeTensorMode(allow_non_fake_inputs=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _pretend_on_cpu(model)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
        decoder = model.get_decoder()
        for weight in decoder.parameters():
            if weight.requires_grad:
                weight.grad = torch.zeros_like(weight)
        dtype = next(decoder.parameters()).dtype
        width = model.config.get_text_config().hidden_size
        embedded = torch.randn(sizes.batch, sizes.tokens, width, dtype=dtype, requires_grad=True)
        with LiveBytes() as live:
            run(decoder, embedded)
    return float(live.peak)


def _hollow(settings: PolicySettings, *, half: bool = True, layers: int | None = None) -> PreTrainedModel:
    """The policy with what is trained of it, on torch's `meta` device; with its first layers only, if told so."""
    import torch
    import transformers

    config = vision_language_config(settings.model)
    if layers is not None:
        text = config.get_text_config()
        text.num_hidden_layers = layers
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:layers]
    with torch.device("meta"):
        model: PreTrainedModel = transformers.AutoModelForImageTextToText.from_config(
            config, dtype=torch.bfloat16 if half else torch.float32
        )
    if settings.freeze_vision_tower:
        for tower in vision_towers(model, settings.model):
            tower.requires_grad_(False)
    if settings.lora is not None:
        add_adapter(model, settings.lora)
        for name, weight in model.named_parameters():
            weight.requires_grad_("lora_" in name)
            if "lora_" in name:
                weight.data = weight.data.float()
    return model


def _pretend_on_cpu(model: PreTrainedModel) -> None:
    """Replaces tensors of the `meta` device, on which attention has no fast kernel, by fake ones of the CPU."""
    import torch

    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            fake = torch.empty(weight.shape, dtype=weight.dtype)
            setattr(module, name, torch.nn.Parameter(fake, requires_grad=weight.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _log_probabilities(settings: PolicySettings, sizes: SequenceLengths) -> float:
    """A tile of logits in float32 and its gradient, gradients of the hidden states, and of the head where it learns.

    Of a token editor all logits of a forward pass are there at once.
    """
    config = vision_language_config(settings.model)
    text = config.get_text_config()
    scored = sizes.batch * sizes.completion
    if getattr(config, "vq_config", None) is not None:
        return CONSTRAINED * scored * text.vocab_size
    tile = min(LOGITS_TILE, scored * min(32768, text.vocab_size))
    head = 0 if settings.lora is not None else text.vocab_size * text.hidden_size
    return 4.0 * (2 * tile + scored * text.hidden_size + head)


def generation_memory(settings: PolicySettings, sizes: SequenceLengths) -> Iterator[MemoryPart]:
    """KV cache of all completions that are generated together, and the pass over their prompts."""
    text = vision_language_config(settings.model).get_text_config()
    width = 2 if settings.dtype != "float32" else 4
    yield MemoryPart("KV cache", kv_cache(settings.model, sizes.rollouts * sizes.tokens, width), "rollout")
    # As `LiveBytes` counts a pass without gradients: three tensors of the MLP, and fifteen of the model's width.
    passing = (3 * text.intermediate_size + 15 * text.hidden_size) * width
    yield MemoryPart("prompts, first pass", float(sizes.rollouts * sizes.prompt * passing), "rollout")


def kv_cache(model: str, tokens: int, width: int) -> float:
    """Bytes of keys and values of this many tokens, in numbers of so many bytes.

    Raises:
        UnknownShape: the model is neither here, nor cached, nor in the table.
    """
    text = vision_language_config(model).get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return float(2 * text.num_hidden_layers * text.num_key_value_heads * head * width * tokens)
