"""Which model works on which GPU, and whether each of them has room for what it is to hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from src.config import ModelConfig, load_served_model
from src.training.config import HardwareSettings, ServedModel, TrainingConfig
from src.training.memory.architectures import UnknownShape
from src.training.memory.editor_memory import editor_memory, judge_memory, model_size
from src.training.memory.parts import GIB, MemoryPart, peak, read_sharding
from src.training.memory.policy_memory import SequenceLengths, policy_memory, rollout_memory

if TYPE_CHECKING:
    from trl import GRPOConfig


@dataclass
class Gpu:
    """What one GPU is to hold."""

    models: list[str] = field(default_factory=list)
    parts: list[MemoryPart] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Why the sum is too small."""
    cramped: list[str] = field(default_factory=list)
    """Shares of vLLM that are smaller than the weights that must go into them."""
    processes: int = 0

    @property
    def peak(self) -> float:
        """Bytes of the fullest moment."""
        return peak(self.parts, self.processes)

    def take(self, parts: Iterator[MemoryPart]) -> None:
        """Adds parts, as far as they are known."""
        try:
            for part in parts:
                self.parts.append(part)
        except UnknownShape as error:
            self.unknown.append(str(error))


def place(
    config: TrainingConfig, arguments: GRPOConfig, hardware: HardwareSettings, sizes: SequenceLengths
) -> dict[int, Gpu]:
    """Each GPU with what works on it.

    Args:
        config: Of the training.
        arguments: Of the trainer.
        hardware: What the training is meant for.
        sizes: Of prompts and completions.

    Raises:
        ConfigError: a file that `hardware` names is wrong.
    """
    gpus: defaultdict[int, Gpu] = defaultdict(Gpu)
    sharding = read_sharding(hardware.accelerate, len(hardware.training))
    total = hardware.gpu_memory * GIB
    policy = Gpu()
    policy.take(policy_memory(config.policy, arguments, sharding, sizes))
    policy.take(rollout_memory(arguments, total))
    if _colocated(arguments):
        share, parts = arguments.vllm_gpu_memory_utilization * total, arguments.vllm_tensor_parallel_size
        where = "training.grpo.vllm_gpu_memory_utilization"
        policy.cramped += _cramped(where, config.policy.model, share, parts)
    for index in hardware.training:
        gpus[index].cramped += policy.cramped
        gpus[index].processes += 1
        gpus[index].models.append("policy" + (" with vLLM" if _colocated(arguments) else ""))
        gpus[index].parts += policy.parts
        gpus[index].unknown += policy.unknown
        if config.diffusion_model is not None:
            _add(gpus[_index(config.diffusion_model, index)], "editor", editor_memory(config.diffusion_model))
        if config.reward_model is not None:
            _add(gpus[_index(config.reward_model, index)], "judge", judge_memory(config.reward_model))
    for server in hardware.servers:
        for index in server.gpus:
            gpus[index].processes += 1
            if server.judge is not None:
                where = "hardware.servers: gpu_memory_utilization"
                gpus[index].cramped += _cramped(where, server.judge, server.gpu_memory_utilization * total)
            _add(gpus[index], "editor, served" if server.editor else "judge, served", _served(server, total))
    return {index: gpus[index] for index in sorted(gpus)}


def launches(config_path: Path, hardware: HardwareSettings) -> Iterator[str]:
    """The commands that put everything in its place."""
    for server in hardware.servers:
        if server.editor:
            yield (
                f"python main.py serve-editor --config {server.editor} --port {server.port} "
                f"--set diffusion_model.params.device_ids={server.gpus}".replace(", ", ",")
            )
        else:
            visible = ",".join(map(str, server.gpus))
            yield (
                f"CUDA_VISIBLE_DEVICES={visible} vllm serve {server.judge} --port {server.port} "
                f"--gpu-memory-utilization {server.gpu_memory_utilization:g} --max-model-len {server.max_model_length}"
            )
    visible = ",".join(map(str, hardware.training))
    launcher = (
        f"accelerate launch --config_file {hardware.accelerate} --num_processes {len(hardware.training)}"
        if hardware.accelerate
        else "python"
    )
    yield f"CUDA_VISIBLE_DEVICES={visible} {launcher} main.py train --config {config_path}"


def _colocated(arguments: GRPOConfig) -> bool:
    return bool(arguments.use_vllm) and arguments.vllm_mode == "colocate"


def _cramped(where: str, model: str, share: float, parts: int = 1) -> Iterator[str]:
    """A sentence where vLLM's share has no room for the weights, in 16 bits; nothing for a model of unknown size."""
    try:
        weights = model_size(model, 2) / parts
    except UnknownShape:
        return
    if share <= weights:
        yield f"{where}: {share / GIB:.1f} GiB have no room for the {weights / GIB:.1f} GiB of {model}: does NOT fit"


def _index(model: ModelConfig, own: int) -> int:
    """The GPU of a model in the process: one that its params name, else the process's own."""
    device = str(model.params.get("device", "auto"))
    return int(device.removeprefix("cuda:")) if device.startswith("cuda:") else own


def _add(gpu: Gpu, name: str, parts: Iterator[MemoryPart]) -> None:
    before = len(gpu.parts) + len(gpu.unknown)
    gpu.take(parts)
    if len(gpu.parts) + len(gpu.unknown) > before:
        gpu.models.append(name)


def _served(server: ServedModel, total: float) -> Iterator[MemoryPart]:
    if server.editor is not None:
        yield from editor_memory(load_served_model(Path(server.editor)))
    else:
        yield MemoryPart("judge's server", server.gpu_memory_utilization * total, reserved=True)
