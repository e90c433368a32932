"""The benchmarks' models: an editor that sleeps, a judge that asks a server that sleeps, a real judge of small size."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image, ImageStat

from src.models.diffusion.base_diffusion import BaseDiffusionModel
from src.models.reward.base_reward import BaseRewardModel

SHIPPED_JUDGE = Path("assets/miniature/judge")


class SleepingEditor(BaseDiffusionModel):
    """Returns a copy of the source after `seconds`."""

    def _initialize(self) -> None:
        self._seconds = float(self.config.get("seconds", 0))

    def edit_image(self, original_image: Image.Image, edit_instruction: str, **kwargs: Any) -> Image.Image:
        """Sleeps as a GPU editor keeps its thread waiting: without the interpreter lock."""
        if self._seconds:
            time.sleep(self._seconds)
        return original_image.copy()


class ShadingEditor(BaseDiffusionModel):
    """Darkens the source by an amount that its seed draws, `shade` (0–1) on average."""

    def _initialize(self) -> None:
        self._shade = float(self.config.get("shade", 0.3))

    def edit_image(
        self, original_image: Image.Image, edit_instruction: str, *, seed: int = 0, **kwargs: Any
    ) -> Image.Image:
        """The same picture for the same seed."""
        amount = min(1.0, max(0.0, random.Random(seed).gauss(self._shade, 0.1)))
        return Image.blend(original_image, Image.new("RGB", original_image.size), amount)


class BrightnessJudge(BaseRewardModel):
    """Scores how bright the edit is."""

    needs_prompts = False

    def _initialize(self) -> None: ...

    def score(self, edited_image: Image.Image, *args: Any, **kwargs: Any) -> float:
        """0 for black, 10 for white."""
        return sum(ImageStat.Stat(edited_image).mean) / 3 / 25.5


class ServerJudge(BaseRewardModel):
    """Asks `port` on this machine for a score, `concurrency` at once; without a port it answers 5 at no cost."""

    needs_prompts = False

    def _initialize(self) -> None:
        self.max_concurrency = int(self.config.get("concurrency", 1))
        self._connections = threading.local()

    def score(self, *args: Any, **kwargs: Any) -> float:
        """One request over a connection that this thread keeps open."""
        if "port" not in self.config:
            return 5.0
        if not hasattr(self._connections, "http"):
            self._connections.http = http.client.HTTPConnection("127.0.0.1", self.config["port"], timeout=30)
        self._connections.http.request("POST", "/score", body=b"{}")
        return float(self._connections.http.getresponse().read())


class SlowJudge(BaseRewardModel):
    """Answers 5 after `seconds`."""

    needs_prompts = False

    def _initialize(self) -> None: ...

    def score(self, *args: Any, **kwargs: Any) -> float:
        """Keeps its pictures for that long."""
        time.sleep(float(self.config.get("seconds", 0)))
        return 5.0


@contextmanager
def judge_folder() -> Iterator[str]:
    """The shipped miniature judge; a smaller one with random weights where none is shipped."""
    if SHIPPED_JUDGE.is_dir():
        yield str(SHIPPED_JUDGE)
        return
    from tests.tiny_judges import save_judge

    with tempfile.TemporaryDirectory() as folder:
        yield str(save_judge(Path(folder), "qwen3"))


@contextmanager
def judge_server(seconds: float) -> Iterator[int]:
    """A real HTTP server on loopback that takes `seconds` for each answer, in a process of its own; yields its port."""
    command = [sys.executable, "-c", f"from benchmarks.models import serve; serve({seconds})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def serve(seconds: float) -> None:
    """Prints the server's port and serves until the process is killed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(seconds)
            self.send_response(200)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"7.5")

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
