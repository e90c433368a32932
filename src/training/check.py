"""`python main.py check` of a training: what it would do and what it needs. Nothing is loaded or written."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config import ModelConfig
from src.errors import ModelError
from src.models.base import BaseModel
from src.models.model_handle import ModelHandle
from src.models.weights import resolve_revision
from src.registry import resolve
from src.rewards.core.scorer import CompletionScorer, Scorer
from src.training.config import HardwareSettings, TrainingConfig
from src.training.curriculum import bin_scores, stage_lines, stages_of
from src.training.dataset import ImageStore, read_split
from src.training.grpo.reward_function import RewardSetting
from src.training.grpo.settings import generations, grpo_config, optimizer_steps, prompts_per_generation
from src.training.memory.architectures import UnknownShape
from src.training.memory.cluster_memory import place_in_cluster
from src.training.memory.parts import GIB, MemoryPart
from src.training.memory.placement import Gpu, launches, place
from src.training.memory.policy_memory import SequenceLengths, lengths
from src.training.memory.text_encoder import shown_pictures
from src.training.memory.token_editor import drawn_at_once, tokenised_pictures
from src.training.policy_check import check_completions, check_policy
from src.training.tasks.base import Task
from src.training.tasks.example import Example
from src.training.tasks.rewrite import CritiqueTask
from src.training.validate import (
    Validated,
    build_task,
    check_data,
    check_devices,
    check_settings,
    check_vllm,
    completed,
    longest_completion,
    models_of,
    validate,
)

if TYPE_CHECKING:
    from trl import GRPOConfig

_LOOKED_AT = 100
"""Number of examples among which the largest picture is looked for."""


@dataclass(frozen=True)
class _Data:
    """Counts and sizes from the data files, by which the work is computed."""

    examples: int
    held_out: int
    unattempted: int
    """Examples without a first attempt."""
    calls: int | None
    """Questions that one edit costs at most, by the first examples; None where that cannot be told."""
    stages: list[str]
    """A line for each stage of the curriculum; none without one."""
    side: int | None
    """Side in pixels of the square with the area of the largest picture among the first examples; None where their
    prompts show none."""


def check_training(config: TrainingConfig, path: Path) -> Iterator[str]:
    """Lines that say what the training would do, what it still needs, and what each GPU would hold.

    Args:
        config: The config of the training.
        path: The config's file, for the commands that start the training.

    Raises:
        EditLoopError: for whatever is wrong. Weights, keys, servers and data that are not there yet are lines instead.
    """
    processes = len(config.hardware.training) if config.hardware else 1
    config = _as_one_process(completed(config), processes)
    arguments, task = grpo_config(config.training), build_task(config)
    missing = list(_missing(config, arguments))
    if missing:
        missing += _besides(config, arguments, task, missing)
    data = _read(config, task, None if missing else validate(config))
    yield f"policy    {config.policy.model}, {'LoRA' if config.policy.lora else 'all weights'}"
    yield f"task      {type(task).__name__}, scored by {config.scorer.class_path.rpartition('.')[2]}"
    yield from _work(config, arguments, task, data, processes)
    for need in (*missing, *_absent_devices(config)):
        yield f"to get    {need}"
    if data is None:
        files = [file.path for file in config.data.files if not _is_there(file.path)]
        yield (
            f"to get    data.train: {', '.join(files)} is not there: download it (docs/public_benchmarks.md), or "
            "make one of your own data by python main.py data convert"
        )
    shown = shown_pictures(config) or tokenised_pictures(config, data.side if data else None)
    images, side = shown or (_images(task, data), data.side if data else None)
    try:
        sizes = drawn_at_once(config, lengths(config.policy, arguments, images, side, processes))
    except UnknownShape as error:
        yield f"memory    {error}"
    else:
        yield from _memory(config, arguments, sizes, path)


def _images(task: Task, data: _Data | None) -> int:
    """The number of pictures in a prompt."""
    return 2 if isinstance(task, CritiqueTask) else int(data is None or data.side is not None)


def _as_one_process(config: TrainingConfig, processes: int) -> TrainingConfig:
    """Returns the same training by one process: the amount of work, and whether it divides, depend on all."""
    grpo = config.training.grpo
    batch = grpo.get("per_device_train_batch_size", 8)
    if processes == 1 or not isinstance(batch, int):
        return config
    training = config.training.model_copy(update={"grpo": {**grpo, "per_device_train_batch_size": batch * processes}})
    return config.model_copy(update={"training": training})


def _missing(config: TrainingConfig, arguments: GRPOConfig) -> Iterator[str]:
    """Yields a sentence for each thing that is not on this machine."""
    probes: list[tuple[str, Callable[[], Any]]] = [
        ("policy", lambda: resolve_revision(config.policy.model, config.policy.revision))
    ]
    probes += [(where, partial(_ready, model, base, where)) for where, model, base in models_of(config)]
    probes.append(("rollouts", lambda: check_vllm(arguments)))
    for where, probe in probes:
        try:
            probe()
        except ModelError as error:
            yield f"{where}: {error}"


def _absent_devices(config: TrainingConfig) -> Iterator[str]:
    """A training may be checked on another machine than it is for."""
    try:
        check_devices(config)
    except ModelError as error:
        yield str(error)


def _besides(config: TrainingConfig, arguments: GRPOConfig, task: Task, missing: list[str]) -> list[str]:
    """Checks all that does not need what is missing, and tells what else is missing."""
    check_settings(config)
    base: Any = CompletionScorer if config.diffusion_model is None else Scorer
    for where, scorer in (("scorer", config.scorer), ("evaluation.scorer", config.evaluation.scorer)):
        if scorer is not None:
            resolve(scorer, base, where)
    looks: list[Callable[[], Any]] = [lambda: task.rewards(RewardSetting(config))]
    if config.is_evaluated:
        looks.append(lambda: task.check_evaluation(config, longest_completion(config, arguments)))
    found: list[str] = []
    for look in looks:
        try:
            look()
        except ModelError as error:
            if not any(need.partition(": ")[2] in str(error) for need in [*missing, *found]):
                found.append(str(error))
    return found


def _ready(model: ModelConfig, base: type[BaseModel], where: str) -> None:
    ModelHandle(model, base, where).check_weights()


def _is_there(path: str) -> bool:
    return path.startswith("hf://") or Path(path).exists()


def _read(config: TrainingConfig, task: Task, checked: Validated | None) -> _Data | None:
    """Reads the data; returns None where files are not there yet."""
    if not all(_is_there(file.path) for file in config.data.files):
        return None
    with tempfile.TemporaryDirectory(prefix="editloop-check-") as folder:
        split = read_split(task, config.data, config.training.seed, ImageStore(Path(folder)))
        if checked is not None:
            check_policy(config.policy)
            check_completions(config.policy, checked.arguments, config.evaluation.max_new_tokens)
            split = check_data(config, checked, split)
        first = split.train[:_LOOKED_AT]
        pictures = [image.decode() for one in first for image in one.images]
        pipeline = getattr(checked.rewards, "pipeline", None) if checked is not None else None
        return _Data(
            examples=len(split.train),
            held_out=len(split.held_out),
            unattempted=sum(getattr(one.subject, "preliminary", None) is None for one in split.train),
            calls=max(pipeline.scoring.scorer.judge_calls(one.subject) for one in first) if pipeline else None,
            stages=_stages(config, split.train),
            side=math.ceil(math.sqrt(max(one.width * one.height for one in pictures))) if pictures else None,
        )


def _stages(config: TrainingConfig, examples: Sequence[Example]) -> list[str]:
    curriculum = config.data.curriculum
    if curriculum is None:
        return []
    return list(stage_lines(examples, stages_of(examples, bin_scores(curriculum), curriculum.stages)))


def _work(
    config: TrainingConfig, arguments: GRPOConfig, task: Task, data: _Data | None, processes: int
) -> Iterator[str]:
    """Steps, completions, edits and judge calls; what is edited twice, or cannot be read, is counted as well."""
    yield f"data      {f'{data.examples:,} examples, {data.held_out:,} held out' if data else 'not read'}"
    for line in data.stages if data else ():
        yield f"          {line}"
    if data is None and arguments.max_steps <= 0:
        yield "steps     known when the data are there"
        return
    prompts, group = prompts_per_generation(arguments), int(arguments.num_generations or 1)
    rounds = generations(arguments, data.examples if data else 0)
    steps = optimizer_steps(arguments, data.examples if data else 0)
    yield f"steps     {steps:,} on {processes} process(es), each generation {prompts} prompts × {group} completions"
    completions = rounds * prompts * group
    if config.diffusion_model is None:
        yield f"work      {completions:,} completions; nothing is edited"
        return
    calls = data.calls if data else None
    told = f"at most {completions * calls:,} judge calls" if calls is not None else "each judged"
    yield f"work      {completions:,} completions, at most as many edits, {told}"
    if isinstance(task, CritiqueTask) and data is not None:
        yield f"          {data.unattempted:,} first attempts"
    if config.is_evaluated and data is not None:
        count = min(data.held_out, config.evaluation.limit or data.held_out)
        scorers = 2 if config.evaluation.scorer is not None else 1
        yield f"          comparison: {2 * count:,} edits, each scored by {scorers} scorer(s)"


def _memory(config: TrainingConfig, arguments: GRPOConfig, sizes: SequenceLengths, path: Path) -> Iterator[str]:
    """Yields what each GPU would hold at its fullest moment, and the commands that put everything there."""
    hardware = config.hardware or HardwareSettings(gpus=1, gpu_memory=1e6)
    yield (
        f"lengths   {sizes.prompt} tokens of prompt and picture, {sizes.completion} of completion; "
        f"{sizes.batch} in a forward pass, {sizes.rollouts} generated together"
    )
    room = hardware.gpu_memory
    for numbers, gpu in _alike(place(config, arguments, hardware, sizes)):
        name = f"GPU {numbers}" if config.hardware else "a GPU"
        verdict = ""
        if config.hardware:
            left = room - gpu.peak / GIB
            verdict = f" of {room:g}: {left:.1f} left" if left >= 0 else f" of {room:g}: does NOT fit"
        yield from _held(name, gpu, verdict)
    for setting, gpu in place_in_cluster(config, hardware, sizes, longest_completion(config, arguments)):
        yield from _held(
            "Ray", gpu, f", of what training.ray.{setting}: {getattr(config.training.ray, setting):g} gives"
        )
    if config.hardware:
        for command in launches(config, path, hardware):
            yield f"start     {command}"


def _held(name: str, gpu: Gpu, verdict: str) -> Iterator[str]:
    """What a GPU holds, and what it is short of."""
    yield f"{name:<9} {', '.join(gpu.models)}: {gpu.peak / GIB:.1f} GiB{verdict}"
    yield f"          {_parts([*gpu.served, *gpu.parts])}"
    if gpu.compared:
        fullest = max(gpu.compared, key=gpu.peak_of)
        yield f"          comparison after training: {gpu.peak_of(fullest) / GIB:.1f} GiB: {_parts(fullest)}"
    for reason in gpu.cramped:
        yield f"          {reason}"
    for reason in gpu.unknown:
        yield f"          more: {reason}"


def _alike(gpus: dict[int, Gpu]) -> list[tuple[str, Gpu]]:
    """Groups GPUs that hold the same, with their numbers."""
    groups: list[tuple[list[int], Gpu]] = []
    for index, gpu in gpus.items():
        if groups and groups[-1][1] == gpu:
            groups[-1][0].append(index)
        else:
            groups.append(([index], gpu))
    return [("–".join(map(str, sorted({numbers[0], numbers[-1]}))), gpu) for numbers, gpu in groups]


def _parts(held: list[MemoryPart]) -> str:
    parts = sorted((part for part in held if part.size >= 0.05 * GIB), key=lambda part: -part.size)
    return ", ".join(
        f"{part.name} {part.size / GIB:.1f}{'' if part.phase == 'always' else f' ({part.phase})'}" for part in parts
    )
