"""Places each model on its GPU, and finds whether each GPU has room for what it is to hold."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from src.config import ModelConfig, load_served_model
from src.errors import ConfigError
from src.models.device import named_devices
from src.models.diffusion.replicas import replica_params
from src.training.config import HardwareSettings, ServedModel, TrainingConfig
from src.training.memory.architectures import UnknownShape, vision_language_config
from src.training.memory.comparison_memory import asked_policy_memory, compared_editor, comparing_judges
from src.training.memory.editor_memory import editor_memory, judge_memory, model_size
from src.training.memory.parts import GIB, MemoryPart, peak, read_sharding
from src.training.memory.policy_memory import (
    SequenceLengths,
    conditioning_memory,
    kv_cache,
    policy_memory,
    rollout_memory,
)
from src.training.memory.text_encoder import keeps_own_encoder, text_encoder_task
from src.training.validate import in_own_processes, longest_completion

if TYPE_CHECKING:
    from trl import GRPOConfig

_on_gpu = re.compile(r"(auto|cuda)(:\d+)?$")


@dataclass
class Gpu:
    """The models that one GPU is to hold, and their memory."""

    models: list[str] = field(default_factory=list)
    parts: list[MemoryPart] = field(default_factory=list)
    """While the policy is trained."""
    served: list[MemoryPart] = field(default_factory=list)
    """Parts of servers, which are there at all times."""
    compared: list[list[MemoryPart]] = field(default_factory=list)
    """After training, one list for each model or group of models that is held at a time."""
    unknown: list[str] = field(default_factory=list)
    """Reasons why the sum is too small."""
    cramped: list[str] = field(default_factory=list)
    """Shares of vLLM that are smaller than what must go into them."""
    processes: int = 0

    @property
    def peak(self) -> float:
        """Bytes of the fullest moment, of the training or of the comparison after it."""
        return max(self.peak_of(parts) for parts in (self.parts, *self.compared))

    def peak_of(self, parts: list[MemoryPart]) -> float:
        """Bytes of the fullest moment with these parts beside those of servers."""
        return peak([*self.served, *parts], self.processes)

    def take(self, parts: Iterator[MemoryPart], into: list[MemoryPart]) -> None:
        """Adds parts to one of the lists, as far as they are known."""
        try:
            into.extend(parts)
        except UnknownShape as error:
            if str(error) not in self.unknown:
                self.unknown.append(str(error))


def place(
    config: TrainingConfig, arguments: GRPOConfig, hardware: HardwareSettings, sizes: SequenceLengths
) -> dict[int, Gpu]:
    """Lays out each GPU with what works on it.

    Args:
        config: Of the training.
        arguments: Of the trainer.
        hardware: What the training is meant for.
        sizes: Of prompts and completions.

    Raises:
        ConfigError: a file that `hardware` names is wrong, or a model in the process has no GPU there.
    """
    gpus: defaultdict[int, Gpu] = defaultdict(Gpu)
    config, placed = in_own_processes(config), config.diffusion_model if config.training.engine == "ray" else None
    seen = visible(config, hardware)
    _place_training(gpus, config, arguments, hardware, sizes, seen)
    if config.is_evaluated:
        sharding = read_sharding(hardware.accelerate, len(hardware.training))
        asked = asked_policy_memory(config, sizes, sharding, longest_completion(config, arguments))
        _place_comparison(gpus, config, asked if placed is None else iter(()), seen)
    for server in hardware.servers:
        _place_server(gpus, server, hardware.gpu_memory * GIB)
    return {index: gpus[index] for index in sorted(gpus)}


def visible(config: TrainingConfig, hardware: HardwareSettings) -> list[int]:
    """The GPUs of the training as its processes number them: one for each of them, then what their models name beside.

    Raises:
        ConfigError: a model names one that is not there, or one process would see several, which TRL refuses.
    """
    own = hardware.training
    served = {gpu for server in hardware.servers for gpu in server.gpus}
    others = [gpu for gpu in range(hardware.gpus) if gpu not in own]
    others.sort(key=lambda gpu: gpu in served)
    models = [(editor_places(config.diffusion_model), "diffusion_model"), (judge_places(config.reward_model), "judge")]
    models += [(judge_places(judge), "evaluation") for judge in comparing_judges(config)]
    furthest, where = max(((number or 0, where) for places, where in models for number in places), default=(0, ""))
    if furthest < len(own):
        return own
    if furthest >= hardware.gpus:
        raise ConfigError(f"{where}: device cuda:{furthest} is none of the {hardware.gpus} GPUs of section hardware")
    if len(own) == 1:
        raise ConfigError(
            f"{where}: device cuda:{furthest} needs a second GPU in a training of one process, in which TRL refuses "
            "more than one; serve the model from there (hardware.servers), or leave the device out"
        )
    return own + others[: furthest + 1 - len(own)]


def editor_places(model: ModelConfig | None) -> list[int | None]:
    """Returns for each replica the number of its GPU within the process, None for the process's own; none on a CPU."""
    if model is None:
        return []
    return _numbers(str(params.get("device", "auto")) for params in replica_params(model.params))


def judge_places(model: ModelConfig | None) -> list[int | None]:
    """The GPUs over which a judge in the process is spread, as `editor_places`."""
    if model is None:
        return []
    device = str(model.params.get("device", "auto"))
    spread = named_devices(model.params.get("device_ids")) if device in ("auto", "cuda") else []
    return _numbers(spread or [device])


def _numbers(devices: Iterable[str]) -> list[int | None]:
    return [
        int(number) if (number := device.partition(":")[2]) else None for device in devices if _on_gpu.match(device)
    ]


def _place_training(
    gpus: defaultdict[int, Gpu],
    config: TrainingConfig,
    arguments: GRPOConfig,
    hardware: HardwareSettings,
    sizes: SequenceLengths,
    seen: list[int],
) -> None:
    sharding, total = read_sharding(hardware.accelerate, len(hardware.training)), hardware.gpu_memory * GIB
    policy = Gpu()
    policy.take(policy_memory(config.policy, arguments, sharding, sizes), policy.parts)
    policy.take(rollout_memory(arguments, total), policy.parts)
    if text_encoder_task(config) is not None:
        policy.take(conditioning_memory(config.policy, arguments, sharding, sizes), policy.parts)
    if _colocated(arguments):
        share, parts = arguments.vllm_gpu_memory_utilization * total, arguments.vllm_tensor_parallel_size
        where = "training.grpo.vllm_gpu_memory_utilization"
        policy.cramped += _cramped(where, config.policy.model, share, arguments.vllm_max_model_length, parts)
    for index in hardware.training:
        own = gpus[index]
        own.cramped += policy.cramped
        own.processes += 1
        own.models.append("policy" + (" with vLLM" if _colocated(arguments) else ""))
        own.parts += policy.parts
        own.unknown += policy.unknown
        used = {index}
        if config.diffusion_model is not None:
            for number in editor_places(config.diffusion_model):
                used.add(there := index if number is None else seen[number])
                editor = editor_memory(
                    config.diffusion_model, own_encoder=keeps_own_encoder(config, config.diffusion_model)
                )
                _add(gpus[there], "editor", editor, gpus[there].parts)
        for number in (numbers := judge_places(config.reward_model)):
            used.add(there := index if number is None else seen[number])
            _add(gpus[there], "judge", _spread(config.reward_model, len(numbers)), gpus[there].parts)
        for other in used - {index}:
            gpus[other].processes += 1


def _place_comparison(
    gpus: defaultdict[int, Gpu], config: TrainingConfig, policy: Iterator[MemoryPart], seen: list[int]
) -> None:
    """Policy and editor make all edits; then judges, each alone where it shares a GPU with them."""
    editing: defaultdict[int, list[MemoryPart]] = defaultdict(list)
    gpus[seen[0]].take(policy, editing[seen[0]])
    if (editor := compared_editor(config)) is not None:
        for number in editor_places(editor):
            there = seen[number or 0]
            own_encoder = keeps_own_encoder(config, editor)
            gpus[there].take(editor_memory(editor, own_encoder=own_encoder), editing[there])
    for index, parts in editing.items():
        if parts:
            gpus[index].compared.append(parts)
    for judge in comparing_judges(config):
        for number in (numbers := judge_places(judge)):
            alone: list[MemoryPart] = []
            gpus[seen[number or 0]].take(_spread(judge, len(numbers)), alone)
            if alone:
                gpus[seen[number or 0]].compared.append(alone)


def _place_server(gpus: defaultdict[int, Gpu], server: ServedModel, total: float) -> None:
    for index in server.gpus:
        gpu = gpus[index]
        gpu.processes += 1
        if server.judge is not None:
            where, share = "hardware.servers: gpu_memory_utilization", server.gpu_memory_utilization * total
            gpu.cramped += _cramped(where, server.judge, share, server.max_model_length)
        _add(gpu, "editor, served" if server.editor else "judge, served", _served(server, total), gpu.served)


def _spread(judge: ModelConfig | None, gpus: int) -> Iterator[MemoryPart]:
    """A judge's part on each of the GPUs that share its weights."""
    for part in judge_memory(judge):
        yield replace(part, size=part.size / gpus) if part.phase == "always" else part


def launches(config: TrainingConfig, config_path: Path, hardware: HardwareSettings) -> Iterator[str]:
    """The commands that put everything in its place."""
    for server in hardware.servers:
        if server.editor:
            yield (
                f"python main.py serve-editor --config {server.editor} --port {server.port} "
                f"--set diffusion_model.params.device_ids={server.gpus}".replace(", ", ",")
            )
        else:
            gpus = ",".join(map(str, server.gpus))
            yield (
                f"CUDA_VISIBLE_DEVICES={gpus} vllm serve {server.judge} --port {server.port} "
                f"--gpu-memory-utilization {server.gpu_memory_utilization:g} --max-model-len {server.max_model_length}"
            )
    own = ",".join(map(str, visible(in_own_processes(config), hardware)))
    launcher = (
        f"accelerate launch --config_file {hardware.accelerate} --num_processes {len(hardware.training)}"
        if hardware.accelerate
        else "python"
    )
    yield f"CUDA_VISIBLE_DEVICES={own} {launcher} main.py train --config {config_path}"


def _colocated(arguments: GRPOConfig) -> bool:
    return bool(arguments.use_vllm) and arguments.vllm_mode == "colocate"


def _cramped(where: str, model: str, share: float, length: int | None, parts: int = 1) -> Iterator[str]:
    """A sentence where vLLM's share has no room for the weights, in 16 bits, and one sequence of the longest length.

    With less vLLM does not start. Nothing for a model of unknown size.
    """
    try:
        weights = model_size(model, 2) / parts
        text = vision_language_config(model).get_text_config()
        tokens = length or int(text.max_position_embeddings)
        cache = kv_cache(model, tokens, 2) / parts
    except UnknownShape:
        return
    if share < weights + cache:
        yield (
            f"{where}: {share / GIB:.1f} GiB have no room for the {weights / GIB:.1f} GiB of {model} and the "
            f"{cache / GIB:.1f} GiB of KV cache of one sequence of {tokens} tokens: does NOT fit"
        )


def _add(gpu: Gpu, name: str, parts: Iterator[MemoryPart], into: list[MemoryPart]) -> None:
    before = len(into) + len(gpu.unknown)
    gpu.take(parts, into)
    if len(into) + len(gpu.unknown) > before:
        gpu.models.append(name)


def _served(server: ServedModel, total: float) -> Iterator[MemoryPart]:
    if server.editor is not None:
        yield from editor_memory(load_served_model(Path(server.editor)))
    else:
        yield MemoryPart("judge's server", server.gpu_memory_utilization * total, reserved=True)
