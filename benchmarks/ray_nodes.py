"""A Ray cluster of two nodes on this machine, an editor that can end its process, and what became of a run."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image, ImageChops

from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.record.record import EDITS_FOLDER, RECORD_NAME

STORE_BYTES = 200_000_000
STARTS = 4
"""How often a node is started at most: Ray gives one up whose agents are not there within 15 s, on a busy machine."""


@dataclass
class Nodes:
    """A head that takes no actors, and nodes that do and can be lost."""

    cluster: Any
    from_outside: str
    """The address for drivers that are not on a machine of the cluster."""
    workers: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where a driver finds the cluster."""
        return str(self.cluster.address)

    def add(self, cpus: int = 2) -> None:
        """Adds a node with so many CPUs to be given away: a number in a scheduler's book, no cores."""
        options = {"num_cpus": cpus, "object_store_memory": STORE_BYTES}
        self.workers.append(started(lambda: self.cluster.add_node(**options)))

    def lose(self) -> None:
        """Kills the node that was added last, with all its processes."""
        self.cluster.remove_node(self.workers.pop(), allow_graceful=False)


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """A head, and two nodes for actors."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}  # actors get their share of the cores
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        head["ray_client_server_port"] = port = free.getsockname()[1]
    cluster = started(lambda: Cluster(initialize_head=True, head_node_args=head))
    nodes = Nodes(cluster, f"ray://127.0.0.1:{port}")
    try:
        nodes.add()
        nodes.add()
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()


def started(start: Callable[[], Any]) -> Any:
    """What a function starts, which is called again where Ray has given up; no process of a failed start is left."""
    for attempt in range(1, STARTS + 1):
        before = set(psutil.Process().children(recursive=True))
        try:
            return start()
        except Exception:  # Ray raises no other class here
            left = [one for one in psutil.Process().children(recursive=True) if one not in before]
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=10)
            if attempt == STARTS:
                raise


class FatalEditor(BaseDiffusionModel):
    """Inverts after `seconds`, unless the instruction says `die` or `hang`; `log` gets a line `sample_id pid`."""

    NOT_IN_IDENTITY = BaseDiffusionModel.NOT_IN_IDENTITY | {"log", "seconds"}

    def _initialize(self) -> None: ...

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, *, sample_id: str = "", **kwargs: Any
    ) -> Image.Image:
        """Inverts the picture."""
        obeyed(edit_instruction)
        time.sleep(float(self.config.get("seconds", 0)))
        if "log" in self.config:
            with Path(self.config["log"]).open("a", encoding="utf-8") as log:
                log.write(f"{sample_id} {os.getpid()}\n")
        return ImageChops.invert(original_image)


def obeyed(instruction: str) -> str:
    """The instruction, if this process lives to return it."""
    if instruction == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if instruction == "hang":
        time.sleep(10_000)
    return instruction


def contents(output_dir: Path) -> dict[str, dict[str, Any]]:
    """What the record of an output directory holds by key: samples, edits, verdicts, and the bytes of all pictures."""
    with closing(sqlite3.connect(output_dir / RECORD_NAME)) as database:
        samples = database.execute(
            "SELECT sample_id, seed, source_sha256, edit_key, verdict_key, bad_reason FROM samples"
        )
        edits = database.execute("SELECT edit_key, reason, sha256, bytes, source_size, size FROM edits")
        verdicts = database.execute(
            "SELECT verdict_key, status, score, dimensions, reason, replies, usage, model, prompts FROM verdicts"
        )
        tables = {"samples": samples.fetchall(), "edits": edits.fetchall(), "verdicts": verdicts.fetchall()}
    pictures = {path.stem: path.read_bytes() for path in (output_dir / EDITS_FOLDER).rglob("*.png")}
    return {name: {row[0]: row[1:] for row in rows} for name, rows in tables.items()} | {"pictures": pictures}


def recorded(output_dir: Path) -> set[str]:
    """Ids of the samples whose edits the record holds."""
    return _sample_ids(output_dir, "s JOIN edits e ON e.edit_key = s.edit_key WHERE e.reason IS NULL")


def _sample_ids(output_dir: Path, which: str = "s") -> set[str]:
    path = output_dir / RECORD_NAME
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as database, suppress(sqlite3.OperationalError):
        return {row[0] for row in database.execute(f"SELECT s.sample_id FROM samples {which}")}
    return set()


def made(log: Path) -> list[tuple[str, int]]:
    """The sample and the process of each edit that a `FatalEditor` has made, in order."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [(name, int(process)) for name, process in (line.rsplit(" ", 1) for line in lines)]


def wait_for_what_was_read(output_dir: Path, ended: Callable[[], bool], seconds: float = 120.0) -> None:
    """Waits until the record holds the edits of all samples that the run has read so far, or the run has ended.

    A process that was killed just now had one or two of them in hand, and Ray takes seconds to notice: on a busy
    machine longer than a new process takes to work. What the next kill hits while it is tried again would be taken for
    the killer, and given up.
    """
    read = _sample_ids(output_dir)
    wait_until(lambda: read <= recorded(output_dir) or ended(), seconds)


def wait_until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    """Waits until something holds, and fails where it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.02)


def lives(process: int) -> bool:
    """Whether a process of this machine lives."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="utf-8")
