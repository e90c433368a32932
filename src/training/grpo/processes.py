"""The processes of one run, as `accelerate launch` starts them: each has an editor and a judge, a machine a record."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import ConfigError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def machine_name() -> str:
    """Returns a name that all processes of one running kernel share, whatever container they are in, and no others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{platform.node()} {uuid.getnode()}"


def require_one_gpu(arguments: TrainingArguments) -> None:
    """Refuses a process to which several GPUs are visible: the trainers would split its batches among them.

    Raises:
        ConfigError: there are several.
    """
    if arguments.n_gpu > 1:
        raise ConfigError(
            f"a single process sees {arguments.n_gpu} GPUs, over which nothing is trained here: "
            "set CUDA_VISIBLE_DEVICES=0, or start one process for each GPU by `accelerate launch` (configs/accelerate)"
        )


@dataclass(frozen=True)
class Processes:
    """Knows the place of this process among all processes of the run."""

    rank: int = 0
    count: int = 1
    machines: tuple[str, ...] = ("this",)
    """The machine of each process, by rank."""
    launch: str = ""
    """A name of this start of the run, equal in all processes and given to no other start."""

    @classmethod
    def of(cls, arguments: TrainingArguments) -> Processes:
        """Reads rank and number from the trainer's arguments, which set up the process group; all processes call it."""
        rank, count = arguments.process_index, arguments.world_size
        found = cls(rank, count).gathered([(machine_name(), uuid.uuid4().hex)])
        return cls(rank, count, tuple(machine for machine, _ in found), launch=found[0][1])

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes what exists once for the whole run."""
        return self.rank == 0

    @property
    def machine(self) -> int:
        """The number of this process's machine, in the order of the ranks."""
        return list(dict.fromkeys(self.machines)).index(self.machines[self.rank])

    @property
    def here(self) -> list[int]:
        """The ranks of the processes on this machine, in order."""
        return [rank for rank, machine in enumerate(self.machines) if machine == self.machines[self.rank]]

    @property
    def is_first_here(self) -> bool:
        """Whether this is the process that does what a machine needs once."""
        return self.here[0] == self.rank

    @property
    def folder(self) -> Path:
        """The record's folder within the run's: one for each machine, as SQLite shares its log through memory."""
        return Path("record", f"machine{self.machine}") if self.machine else Path("record")

    @contextmanager
    def first_here_first(self) -> Iterator[None]:
        """Lets the first process of each machine through, then the others."""
        if not self.is_first_here:
            self.wait()
        try:
            yield
        finally:
            if self.is_first_here:
                self.wait()

    def wait(self) -> None:
        """Waits until all processes have come here."""
        if self.count > 1:
            from accelerate.utils import wait_for_everyone  # type: ignore[import-untyped]

            wait_for_everyone()

    def gathered(self, found: list[Any]) -> list[Any]:
        """Joins the lists of all processes, in each of them: one that decided alone would leave the others waiting."""
        if self.count == 1:
            return found
        from accelerate.utils import gather_object

        everything: list[Any] = gather_object(found)
        return everything

    def end_and_is_first(self) -> bool:
        """Ends the process group and tells the first process, which alone does what follows, however long it takes."""
        if self.count > 1:
            import torch.distributed

            self.wait()
            torch.distributed.destroy_process_group()
        return self.is_first


ALONE = Processes()


@contextmanager
def without_zero3_sharding(arguments: TrainingArguments) -> Iterator[None]:
    """Lets every process load whole models within the block, even if ZeRO-3 shards the policy.

    By a setting of the process as a whole, transformers (5.23) partitions every model that is loaded beside it, and an
    editor or judge without the trainer around it cannot use its parts.
    """
    from transformers.integrations import deepspeed

    plugin = arguments.deepspeed_plugin
    sharding = getattr(arguments, "hf_deepspeed_config", None) or plugin.dschf if plugin else None
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        if sharding is not None:
            deepspeed.set_hf_deepspeed_config(sharding)
