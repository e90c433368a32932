"""How near the API judge comes to the most that a server allows, its limit on requests at once found by itself.

Before that the tables of `judge_prefill` and `judge_batching`, which also run alone.

The server takes 200 ms for each answer, in a process of its own; it answers any number of requests at once, so the most
is `max_concurrency` ÷ 0.2 s. The ramp from 10 requests at once is part of the measurement.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from benchmarks import judge_batching, judge_prefill
from benchmarks.harness import close, command_line, show
from src.models.reward.implementations.openai_reward import OpenAIRewardModel
from src.models.vlm.question import LabelledImage, Question

REQUESTS, CONCURRENCY, SECONDS = 3200, 16, 0.2
QUESTIONS_PER_EDIT = 5


@contextmanager
def server_process() -> Iterator[str]:
    """The address of a chat-completions server that takes `SECONDS` for each answer."""
    command = [sys.executable, "-m", "benchmarks.judge", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


async def serve() -> None:
    """Answers every request on any path after `SECONDS`; prints its port."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Score: 7.0"}}
    body = json.dumps({"model": "sleeper", "choices": [choice]}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readuntil(b"\r\n\r\n"):
            length = request.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            await asyncio.sleep(SECONDS)
            writer.write(head + body)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def questions() -> list[Question]:
    """Five about each pair of source and edit."""
    asked = []
    for index in range(REQUESTS // QUESTIONS_PER_EDIT):
        pictures = [Image.new("RGB", (256, 256), (index % 256, index // 256, side)) for side in (0, 255)]
        images = (LabelledImage("Source:", pictures[0]), LabelledImage("Edit:", pictures[1]))
        asked += [Question("You judge edits.", images, f"Dimension {number}?") for number in range(QUESTIONS_PER_EDIT)]
    return asked


def main() -> None:
    """Asks all questions at once; the value is the rate reached ÷ the most possible."""
    parser = command_line(__doc__)
    parser.add_argument("role", nargs="?", choices=["measure", "serve"], default="measure", help="serve: the server")
    if parser.parse_args().role == "serve":
        asyncio.run(serve())
    judge_prefill.measure()
    judge_batching.measure()
    os.environ["no_proxy"] = "127.0.0.1"
    with server_process() as url:
        judge = OpenAIRewardModel({"model": "sleeper", "base_url": url, "max_concurrency": CONCURRENCY})
        asked = questions()
        started = time.perf_counter()
        replies = judge.ask(asked)
        seconds = time.perf_counter() - started
    assert all(reply.text for reply in replies), next(reply.error for reply in replies if reply.error)
    rate, ideal = REQUESTS / seconds, CONCURRENCY / SECONDS
    row = [str(REQUESTS), str(CONCURRENCY), f"{seconds:.2f}", f"{rate:.1f}", f"{ideal:.1f}", f"{rate / ideal:.3f}"]
    columns = ["requests", "at once", "seconds", "requests/s", "ideal requests/s", "÷ ideal"]
    show(f"API judge, {SECONDS * 1000:.0f} ms server", columns, [row])
    close("judge", rate / ideal, "requests/s / ideal, 200 ms server", ">= 0.95")


if __name__ == "__main__":
    main()
