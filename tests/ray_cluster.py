"""A Ray cluster of two nodes on this machine, and what a record holds besides times."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from src.record.record import EDITS_FOLDER, RECORD_NAME

STORE_BYTES = 200_000_000


@dataclass
class TwoNodes:
    """The head, and a worker that can be lost and replaced."""

    cluster: Any
    workers: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, cpus: int = 2) -> None:
        self.workers.append(self.cluster.add_node(num_cpus=cpus, object_store_memory=STORE_BYTES))

    def lose(self) -> None:
        self.cluster.remove_node(self.workers.pop(), allow_graceful=False)


@contextmanager
def two_nodes(head_cpus: int = 2) -> Iterator[TwoNodes]:
    """A head and one worker, with so many CPUs to be given away; a number in a scheduler's book, no cores."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": head_cpus, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    nodes = TwoNodes(Cluster(initialize_head=True, head_node_args=head))
    try:
        nodes.add()
        yield nodes
    finally:
        ray.shutdown()
        nodes.cluster.shutdown()


def contents(output_dir: Path) -> dict[str, dict[str, Any]]:
    """What the record of an output directory holds by key: samples, edits with the hash of the picture, verdicts."""
    with closing(sqlite3.connect(output_dir / RECORD_NAME)) as database:
        database.row_factory = sqlite3.Row
        samples = database.execute(
            "SELECT sample_id, seed, source_sha256, edit_key, verdict_key FROM samples"
        ).fetchall()
        edits = database.execute("SELECT edit_key, reason, sha256, bytes, source_size, size FROM edits").fetchall()
        verdicts = database.execute(
            "SELECT verdict_key, status, score, dimensions, reason, replies, model, repeats, prompts FROM verdicts"
        ).fetchall()
    pictures = {path.stem: path.read_bytes() for path in (output_dir / EDITS_FOLDER).glob("*.png")}
    tables = {"samples": samples, "edits": edits, "verdicts": verdicts}
    return {name: {row[0]: tuple(row) for row in rows} for name, rows in tables.items()} | {"pictures": pictures}
