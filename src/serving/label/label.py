"""`python main.py label`: a local page on which one rater labels the edits of a run, or compares those of two."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.errors import ConfigError
from src.reporting.stored_runs import StoredRun
from src.serving.admission import Admission
from src.serving.label.label_file import LabelFile
from src.serving.label.server import create_label_app
from src.serving.label.session import LabelSession
from src.serving.label.tasks import label_tasks, with_sources
from src.serving.patience import uvicorn_settings
from src.serving.serve import bound_socket

HOST = "127.0.0.1"
MAX_RATER = 100


@dataclass(frozen=True)
class LabelOptions:
    """Who labels what, and where the answers go."""

    labels: Path
    rater: str
    seed: int = 0
    """Seed of the order of the samples, and of the sides."""
    limit: int | None = None
    """Label only the first N in that order."""
    port: int = 8200
    """0 takes any free one."""


def label_edits(runs: Sequence[StoredRun], options: LabelOptions, ready: Callable[[str], None]) -> None:
    """Serves the page on the loopback address until it is told to stop (Ctrl-C).

    Args:
        runs: One run to score its edits, two to choose between theirs.
        options: Who labels what.
        ready: Called with the address of the page once it answers.

    Raises:
        EditLoopError: nothing can be labelled, the benchmark or the file of labels cannot be used, the port is taken.
    """
    import uvicorn

    if (
        not 0 < len(options.rater) <= MAX_RATER
        or not options.rater.isprintable()
        or options.rater.strip() != options.rater
    ):
        raise ConfigError(f"--rater {options.rater!r:.120} is no name: use 1 to {MAX_RATER} printable characters")
    tasks = label_tasks(runs, options.rater, options.seed, options.limit)
    known = {row.sample_id: [row.edit_key] for row in runs[0].results}
    for run in runs[1:]:
        keys = {row.sample_id: row.edit_key for row in run.results}
        known = {name: [*mine, keys[name]] for name, mine in known.items() if name in keys}
    admission = Admission(token=secrets.token_urlsafe(24))
    with (
        tempfile.TemporaryDirectory(prefix="editloop-label") as folder,
        LabelFile(options.labels, options.rater) as file,
        bound_socket(HOST, options.port) as listener,
    ):
        tasks = with_sources(tasks, runs[0], Path(folder))
        session = LabelSession(tasks, file, known, " and ".join(str(run.folder) for run in runs))
        app = create_label_app(session, admission)
        address = f"http://{HOST}:{listener.getsockname()[1]}/#{admission.token}"

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready(address)

        Server(uvicorn.Config(app, **uvicorn_settings(admission.seconds))).run([listener])
