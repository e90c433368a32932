"""The processes of one run, as `accelerate launch` starts them: each has its own editor, judge and record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trl import GRPOConfig


@dataclass(frozen=True)
class Processes:
    """This process among its fellows."""

    rank: int
    count: int

    @classmethod
    def of(cls, arguments: GRPOConfig) -> Processes:
        """As the trainer's arguments, which set up the process group, know them."""
        return cls(arguments.process_index, arguments.world_size)

    @property
    def is_first(self) -> bool:
        """The one that writes what exists once."""
        return self.rank == 0

    @property
    def folder(self) -> str:
        """Of this process's record, within the run's."""
        return f"rank{self.rank}" if self.count > 1 else ""

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            from accelerate.utils import wait_for_everyone  # type: ignore[import-untyped]

            wait_for_everyone()

    def gathered(self, found: list[Any]) -> list[Any]:
        """What all processes have found, for all: one that decided alone would leave the others waiting."""
        if self.count == 1:
            return found
        from accelerate.utils import gather_object

        everything: list[Any] = gather_object(found)
        return everything

    def end_and_is_first(self) -> bool:
        """Parts the processes; what follows is done by the first alone, however long it takes."""
        if self.count > 1:
            import torch.distributed

            self.wait()
            torch.distributed.destroy_process_group()
        return self.is_first


@contextmanager
def loading_whole(arguments: GRPOConfig) -> Iterator[None]:
    """Models that are loaded meanwhile are whole in every process, even if ZeRO-3 shards the policy.

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
