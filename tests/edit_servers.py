"""Servers of `serve-editor` on loopback, in a thread of the test or in a process of their own."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
import yaml

from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.pipeline.pixels import PixelBudget
from src.serving.admission import Admission
from src.serving.edit_server import create_app
from src.serving.edit_service import EditService
from src.serving.patience import uvicorn_settings
from src.serving.serve import bound_socket

CLIENT = httpx2.Client(timeout=20, trust_env=False)
"""One for all: making a client reads every certificate of the machine."""
ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def edit_server(
    *editors: BaseDiffusionModel,
    capacity: int = 64,
    max_wait: float = 0.02,
    port: int = 0,
    megabytes: int = 1000,
    admission: Admission = Admission(),  # noqa: B008
) -> Iterator[str]:
    """The URL of a server of these editors; leaving the block shuts it down as Ctrl-C would."""
    service = EditService(editors, capacity, max_wait, PixelBudget(megabytes))
    app = create_app(service, type(editors[0]).identity(editors[0].config), admission)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", **uvicorn_settings(admission.seconds)))
    with bound_socket("127.0.0.1", port) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


def free_port() -> int:
    """A port to listen on later, of those that no other process gets who takes any, as tests beside this one do."""
    while True:
        port = secrets.choice(range(10_000, 32_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def server_process(folder: Path, editor: dict[str, Any], port: int) -> Iterator[subprocess.Popen]:
    """`python main.py serve-editor` once it answers; killed at the end if it still runs."""
    config = folder / f"serve_{port}.yaml"
    config.write_text(yaml.safe_dump({"diffusion_model": editor}), encoding="utf-8")
    command = [sys.executable, "main.py", "serve-editor", "--config", str(config), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(f"http://127.0.0.1:{port}", process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen) -> None:
    while True:
        try:
            CLIENT.get(url + "/health")
            return
        except httpx2.TransportError:
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.05)
