"""What hostile files, replies and settings cost: each case in a process of its own, with its peak memory and its time.

    python -m benchmarks.hostile             all cases, about ten minutes
    python -m benchmarks.hostile --quick     fewer mutations and smaller pictures

A case holds when it ends by itself as it should (a sentence, a bad sample, a failed verdict: no traceback, no crash),
within 30 s, below its memory. Counted besides: files outside the output folder that changed, and secrets found.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from benchmarks.harness import close, command_line, config_of, noise_picture, show, write_benchmark
from src.errors import EditLoopError

LONGEST_SECONDS = 30.0
BASE_MIB = 400
"""What importing the libraries takes, with room."""


def _item(**changes: Any) -> dict[str, Any]:
    picture = base64.b64encode(noise_picture(0, 32)).decode()
    return {"subset": "物理", "edit_instruction_en": "x", "src_img_b64": picture, "difficulty": "easy"} | changes


def _inspected(folder: Path, text: bytes, name: str = "b.json") -> str:
    from src.data.inspect import inspect_benchmark

    (folder / name).write_bytes(text)
    found = inspect_benchmark(str(folder / name))
    return f"{found.items} items, {len(found.problems)} bad"


def _between_good_ones(middle: bytes) -> bytes:
    good = json.dumps(_item()).encode()
    return b"[" + good + b"," + middle + b"," + good + b"]"


def integer_of_5000_digits(folder: Path, quick: bool) -> str:
    """A number that Python refuses to build."""
    return _inspected(folder, _between_good_ones(b'{"seed": ' + b"9" * 5000 + b"}"))


def brackets_200000_deep(folder: Path, quick: bool) -> str:
    """An item of brackets alone."""
    return _inspected(folder, _between_good_ones(b"[" * 200_000 + b"]" * 200_000))


def unused_field_20000_deep(folder: Path, quick: bool) -> str:
    """A good item but for a field that nobody reads."""
    deep = json.dumps(_item()).encode()[:-1] + b', "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    return _inspected(folder, _between_good_ones(deep))


def bad_byte_in_20_mb_of_base64(folder: Path, quick: bool) -> str:
    """Near the end of the text of a picture."""
    text = b'{"subset": "x", "edit_instruction_en": "x", "src_img_b64": "' + b"A" * 20_000_000 + b"\xff" + b'A"}'
    return _inspected(folder, _between_good_ones(text))


def tiff_of_100000_frames(folder: Path, quick: bool) -> str:
    """As the source of one item."""
    frames, entry = 100_000, struct.Struct("<HHII")
    tags = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]  # fmt: skip
    size, start = 2 + 12 * len(tags) + 4, 72
    body = b"".join(entry.pack(*tag) for tag in tags)
    out = bytearray(b"II*\0" + struct.pack("<I", start) + bytes(64))
    for frame in range(frames):
        follows = start + (frame + 1) * size if frame + 1 < frames else 0
        out += struct.pack("<H", len(tags)) + body + struct.pack("<I", follows)
    return _inspected(folder, json.dumps([_item(src_img_b64=base64.b64encode(out).decode())]).encode())


def rgba_picture_of_64_megapixels(folder: Path, quick: bool) -> str:
    """Decoded once."""
    from src.data.image import decode_image

    picture = io.BytesIO()
    Image.new("RGBA", (8000, 8000), (10, 20, 30, 128)).save(picture, "PNG", compress_level=1)
    return f"{decode_image(picture.getvalue()).size}"


def parquet_that_unpacks_to_600_mb(folder: Path, quick: bool) -> str:
    """Four texts of 150 MB each, in some thousand bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from src.data.inspect import inspect_benchmark

    small = pa.table({"subset": ["A" * 150_000_000], "edit_instruction_en": ["x"]})
    pq.write_table(pa.concat_tables([small] * 4), folder / "b.parquet", compression="zstd")
    found = inspect_benchmark(str(folder / "b.parquet"))
    return f"{found.items} items, {len(found.problems)} bad"


def flat_pictures_before_a_slow_judge(folder: Path, quick: bool) -> str:
    """24 pictures of 64 megapixels, 6 MB in all; with --quick 16 of 16 megapixels."""
    from src.pipeline.evaluation import evaluate

    side, count = (4000, 16) if quick else (8000, 24)
    picture = io.BytesIO()
    Image.new("RGB", (side, side), (90, 120, 30)).save(picture, "PNG")
    text = base64.b64encode(picture.getvalue()).decode()
    items = [_item(src_img_b64=text, edit_instruction_en=f"x {index}") for index in range(count)]
    (folder / "b.json").write_text(json.dumps(items), encoding="utf-8")
    config = config_of(folder / "b.json", folder / "out", {}, {}, save_generated_images=False)
    scored = evaluate(config).report["overall_statistics"]["num_samples"]
    return f"{scored} of {count} scored"


def judge_that_never_stops(folder: Path, quick: bool) -> str:
    """Answers of 500 MB, plain and as a gzip bomb."""
    statuses = [_judged(folder / kind, kind) for kind in ("endless", "bomb")]
    return ", ".join(statuses)


def _judged(folder: Path, kind: str) -> str:
    from src.models.reward.dialogue import LabelledImage, Question
    from src.models.reward.implementations.openai_reward import OpenAIRewardModel

    folder.mkdir()
    megabyte = b" " * 1_000_000

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            if kind == "bomb":
                packed = gzip.compress(megabyte * 500, 9)
                self.send_header("content-encoding", "gzip")
                self.send_header("content-length", str(len(packed)))
                self.end_headers()
                self.wfile.write(packed)
                return
            self.send_header("content-length", str(500 * len(megabyte)))
            self.end_headers()
            try:
                for _ in range(500):
                    self.wfile.write(megabyte)
            except OSError:  # the client has hung up, as it should
                return

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    judge = OpenAIRewardModel({"model": "x", "base_url": f"http://127.0.0.1:{server.server_port}/v1", "max_retries": 0})
    (reply,) = judge.ask([Question("s", (LabelledImage("", Image.new("RGB", (16, 16))),), "u")])
    server.shutdown()
    assert reply.error, reply
    return f"{kind}: {reply.error[:60]}"


def mutated_benchmark_files(folder: Path, quick: bool) -> str:
    """JSON, JSON Lines and parquet with bytes changed, cut and repeated."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from src.data.inspect import inspect_benchmark

    items = [_item(id=str(index)) for index in range(3)]
    pq.write_table(pa.Table.from_pylist(items), folder / "b.parquet")
    sound = {
        "b.json": json.dumps(items).encode(),
        "b.jsonl": "\n".join(map(json.dumps, items)).encode(),
        "b.parquet": (folder / "b.parquet").read_bytes(),
    }
    dice, refused = random.Random(time.time_ns()), 0
    count = 300 if quick else 5000
    for number in range(count):
        name = list(sound)[number % 3]
        (folder / name).write_bytes(_damaged(sound[name], dice))
        try:
            inspect_benchmark(str(folder / name))
        except EditLoopError:
            refused += 1
    return f"{count} files, {refused} refused as a whole"


def _damaged(data: bytes, dice: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        place, length = dice.randrange(len(out) + 1), dice.randint(0, 40)
        odd = dice.choice([b"", b"[", b"}", b'"', b"\\", b"\0", b"\xff", b"9" * 5000, dice.randbytes(length)])
        out[place : place + length] = odd
    return bytes(out)


def mutated_configs(folder: Path, quick: bool) -> str:
    """The default file with lines changed, through `check`."""
    from src.config import load_config
    from src.pipeline.check import check_run

    write_benchmark(folder / "b.json", 3, 16)
    config = config_of(folder / "b.json", folder / "out", {}, {}).model_dump(mode="json")
    sound = yaml.safe_dump(config, allow_unicode=True).encode()
    dice, refused = random.Random(time.time_ns()), 0
    count = 200 if quick else 1500
    for _ in range(count):
        (folder / "c.yaml").write_bytes(_damaged(sound, dice))
        try:
            list(check_run(load_config(folder / "c.yaml")))
        except EditLoopError:
            refused += 1
    return f"{count} files, {refused} refused"


def secrets_of_30_names(folder: Path, quick: bool) -> str:
    """In the params of editor and judge: looked for in every file of the run."""
    from src.pipeline.evaluation import evaluate

    names = [
        "api_key", "secret_key", "openai_key", "access_key", "x-api-key", "accessToken", "private_key", "pwd",
        "password", "passphrase", "auth", "Authorization", "hf_token", "session_token", "bearer_token",
        "client_secret", "aws_secret_access_key", "cookie", "jwt", "dsn", "sas", "credentials", "GITHUB_PAT",
        "signing_key", "license_key", "user_pass", "dbPassword", "basic_auth", "connection_string", "apiKey",
    ]  # fmt: skip
    params = {name: f"hunter-{index:02d}-of-{len(names)}" for index, name in enumerate(names)}
    write_benchmark(folder / "b.json", 2, 16)
    evaluate(config_of(folder / "b.json", folder / "out", params | {"nested": [params]}, params))
    held = b"".join(path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file())
    found = [name for name, secret in params.items() if secret.encode() in held]
    assert not found, f"readable: {found}"
    return f"{len(names)} names, 0 found"


CASES: dict[str, tuple[Callable[[Path, bool], str], int]] = {
    case.__name__: (case, BASE_MIB + more)
    for case, more in (
        (integer_of_5000_digits, 0),
        (brackets_200000_deep, 0),
        (unused_field_20000_deep, 0),
        (bad_byte_in_20_mb_of_base64, 200),
        (tiff_of_100000_frames, 200),
        (rgba_picture_of_64_megapixels, 600),
        (parquet_that_unpacks_to_600_mb, 1200),  # of which writing it takes nearly all
        (flat_pictures_before_a_slow_judge, 1000),
        (judge_that_never_stops, 700),  # of which the bomb's own making takes 500
        (mutated_benchmark_files, 200),
        (mutated_configs, 200),
        (secrets_of_30_names, 0),
    )
}
"""With the most memory that each may take, in MiB."""
NO_TIME_LIMIT = ("mutated_benchmark_files", "mutated_configs", "flat_pictures_before_a_slow_judge")
"""Many files, or gigabytes of pixels that have to be edited one after another."""


def measured(name: str, quick: bool) -> tuple[str, float, float, bool]:
    """What a case came to, its seconds, its peak MiB, and whether it holds."""
    with tempfile.TemporaryDirectory() as folder:
        before = _outside(Path(folder))
        command = [sys.executable, "-m", "benchmarks.hostile", "--case", name, folder, *(["--quick"] if quick else [])]
        started = time.perf_counter()
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.perf_counter() - started
            said.seek(0)
            lines = said.read().strip().splitlines()
        peak = usage.ru_maxrss / 1024
        in_time = seconds <= LONGEST_SECONDS or name in NO_TIME_LIMIT
        unharmed = _outside(Path(folder)) == before
        holds = process.returncode == 0 and in_time and peak <= CASES[name][1] and unharmed
        return (lines[-1] if lines else f"exit {process.returncode}")[:90], seconds, peak, holds


def _outside(folder: Path) -> list[tuple[str, int]]:
    """The files beside a case's folder that it could reach by `..`, with their sizes."""
    around = (Path.cwd(), folder.parent)
    return sorted((str(path), path.stat().st_size) for place in around for path in place.glob("*.*") if path.is_file())


def main() -> None:
    """The value is the number of cases that do not hold."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", nargs=2, metavar=("NAME", "FOLDER"), help="run one case in this process")
    given = parser.parse_args()
    if given.case:
        name, folder = given.case
        print(CASES[name][0](Path(folder), given.quick))
        return
    rows, failures = [], 0
    for name, (_, limit) in CASES.items():
        said, seconds, peak, holds = measured(name, given.quick)
        failures += not holds
        rows.append(
            [name.replace("_", " "), said, f"{seconds:.1f}", f"{peak:.0f}", f"{limit}", "yes" if holds else "NO"]
        )
    show("hostile input", ["case", "what came of it", "s", "peak MiB", "goal", "holds"], rows)
    close("hostile", failures, "cases that end otherwise than they should, too late or too large", "== 0")


if __name__ == "__main__":
    main()
