"""The cases of `benchmarks.hostile`: each tries something hostile so many times, and counts what must not be."""

from __future__ import annotations

import json
import random
import resource
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import yaml

from benchmarks.hostile_server import flood_server
from benchmarks.hostile_trials import Trials, b64, item, png
from benchmarks.kill_resume import finished, kill_at, wasted
from src.config import load_config
from src.data.image import LazyImage, decode_image
from src.data.inspect import inspect_benchmark
from src.pipeline.check import check_run
from src.pipeline.evaluation import evaluate

ROOT = Path(__file__).resolve().parents[1]
SIDE = 8000
SECRET_NAMES = (
    "api_key", "apiKey", "x-api-key", "X-Api-Key", "secret_key", "openai_key", "OPENAI_API_KEY", "access_key",
    "aws_secret_access_key", "private_key", "signing_key", "license_key", "accessToken", "hf_token", "session_token",
    "bearer_token", "X-Auth-Token", "pwd", "password", "dbPassword", "passphrase", "client_secret", "Authorization",
    "basic_auth", "auth", "credentials", "cookie", "jwt", "dsn", "connection_string",
)  # fmt: skip


def _read(trials: Trials, text: bytes, bad: int = 1) -> None:
    """Inspects and runs a list of a good item, the hostile text and a good item: the good ones must get through."""
    good = [json.dumps(item(id=name)).encode() for name in ("a", "b")]
    path = trials.file("b.json", b"[" + b",".join([good[0], text, good[1]]) + b"]")
    with trials.tried.trial():
        inspection = inspect_benchmark(str(path))
        scored = evaluate(trials.config(path)).report["overall_statistics"]["num_samples"]
        trials.tried.lost += (len(inspection.problems), scored) != (bad, 3 - bad)


def digits(trials: Trials) -> None:
    """An integer of 100,000 digits."""
    _read(trials, b'{"seed": ' + b"9" * 100_000 + b"}")


def brackets(trials: Trials) -> None:
    """200,000 brackets."""
    _read(trials, b"[" * 200_000 + b"]" * 200_000)


def deep(trials: Trials) -> None:
    """A good item with a field that nobody reads, nested 20,000 deep."""
    text = json.dumps(item(id="deep")).encode()
    _read(trials, text[:-1] + b', "unused": ' + b"[" * 20_000 + b"]" * 20_000 + b"}")


def base64_text(trials: Trials) -> None:
    """20 MB of base64 with a bad byte near the end."""
    with trials.tried.trial():
        LazyImage(base64_text="A" * 20_000_000 + "*AAA").read_bytes()


def frames(trials: Trials) -> None:
    """A TIFF of 100,000 frames."""
    entries = [(256, 16), (257, 16), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 16), (279, 256)]
    size, start = 2 + 12 * len(entries) + 4, 8 + 256
    parts = [struct.pack("<2sHL", b"II", 42, start), bytes(256)]
    for number in range(100_000):
        following = start + (number + 1) * size if number < 99_999 else 0
        fields = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in entries)
        parts.append(struct.pack("<H", len(entries)) + fields + struct.pack("<L", following))
    with trials.tried.trial():
        decode_image(b"".join(parts))


def flat(trials: Trials) -> None:
    """24 flat pictures of 8000×8000 in a run with a slow judge."""
    picture = b64(png((SIDE, SIDE)))
    items = [item(id=str(number), src_img_b64=picture) for number in range(trials.count)]
    path = trials.file("b.json", json.dumps(items).encode())
    judge = {"class_path": "benchmarks.models.SlowJudge", "params": {"seconds": 0.5}}
    with trials.tried.trial(trials.count):
        report = evaluate(trials.config(path, reward_model=judge)).report
        trials.tried.lost += report["overall_statistics"]["num_samples"] != trials.count


def served(trials: Trials) -> None:
    """16 requests of 8000×8000 at once to the edit server."""
    from benchmarks.models import SleepingEditor
    from tests.edit_servers import CLIENT, edit_server

    body = {"image": b64(png((SIDE, SIDE))), "instruction": "x", "seed": 1}

    def ask(url: str) -> int:
        return CLIENT.post(f"{url}/edit", json=body, timeout=300).status_code

    server = edit_server(SleepingEditor({"seconds": 0.2}))
    with server as url, ThreadPoolExecutor(trials.count) as clients, trials.tried.trial(trials.count):
        answers = list(clients.map(ask, [url] * trials.count))
        trials.tried.lost += len([status for status in answers if status not in (200, 413, 422, 429)])


def rgba(trials: Trials) -> None:
    """One transparent picture of 64 megapixels."""
    data = png((SIDE, SIDE), "RGBA")
    with trials.tried.trial():
        decode_image(data)


def parquet(trials: Trials) -> None:
    """A parquet file of kilobytes that unpacks to gigabytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = trials.file("b.parquet", b"")
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 60, pa.int32()), pa.array(["A" * 40_000_000]))
    pq.write_table(pa.table({"src_img_b64": rows}), path, compression="zstd")
    with trials.tried.trial():
        inspect_benchmark(str(path))


def bodies(trials: Trials) -> None:
    """A judge whose answers have 500 MB, or unpack to 9 GB."""
    from src.models.reward.implementations.openai_reward import OpenAIRewardModel
    from src.models.vlm.question import Question

    for kind in ("endless", "gzip", "endless"):
        with flood_server(kind) as url, trials.tried.trial():
            judge = OpenAIRewardModel({"model": "judge", "base_url": url, "max_retries": 0, "timeout": 60})
            (reply,) = judge.ask([Question("", (), "How good?")])
            trials.tried.lost += reply.error is None


def files(trials: Trials) -> None:
    """Mutated and damaged benchmark files, inspected and run."""
    from tests.mutations import damaged, hostile_items, write

    for number in range(trials.count):
        folder = trials.folder / str(number)
        path = folder / "data" / f"b.{('json', 'jsonl', 'parquet')[number % 3]}"
        path.parent.mkdir(parents=True)
        write(hostile_items(trials.dice, 6), path)
        if number % 2:
            path.write_bytes(damaged(trials.dice, path.read_bytes()))
        before = set(folder.rglob("*"))
        with trials.tried.trial():
            inspect_benchmark(str(path))
        with trials.tried.trial():
            config = trials.config(path, evaluation={"output_dir": str(folder / "out")})
            rows = evaluate(config).report["samples"]
            trials.tried.lost += len([row for row in rows if (row["score"] is None) == (row["status"] == "scored")])
        trials.tried.trials -= 1
        trials.tried.escaped += len(
            [path for path in set(folder.rglob("*")) - before if folder / "out" not in (path, *path.parents)]
        )


def configs(trials: Trials) -> None:
    """Configurations with an odd value or dirt at any place, checked."""
    path = trials.file("b.json", json.dumps([item()]).encode())
    sound = yaml.safe_dump(trials.config(path).redacted(), allow_unicode=True)
    odd = [
        "",
        "[",
        "{",
        "&a [*a]",
        "!!int abc",
        "9" * 5000,
        "2020-99-99",
        "[" * 500,
        "\x00",
        "'",
        "${HOME}",
        "null",
        "abc",
    ]
    for _ in range(trials.count):
        lines = sound.splitlines()
        place = trials.dice.randrange(len(lines))
        key = lines[place].partition(":")[0]
        lines[place] = trials.dice.choice([f"{key}: {trials.dice.choice(odd)}", trials.dice.choice(odd)])
        config = trials.file("c.yaml", "\n".join(lines).encode())
        with trials.tried.trial():
            list(check_run(load_config(config)))


def faults(trials: Trials) -> None:
    """Runs with a judge that misbehaves in random order."""
    from tests.chat_server import FAULTS, Answer, chat_server

    path = trials.file("b.json", json.dumps([item(id=str(number)) for number in range(8)]).encode())
    names = [*sorted(name for name in FAULTS if name != "hang"), *["no fault"] * 5]
    with chat_server() as server:
        judge = {
            "class_path": "src.models.reward.implementations.openai_reward.OpenAIRewardModel",
            "params": {"model": "judge", "base_url": server.url, "max_retries": 1},
        }
        for number in range(trials.count):
            server.script = lambda body, count: (
                FAULTS[trials.dice.choice(names)] if trials.dice.random() < 0.7 else Answer()
            )
            output = {"output_dir": str(trials.folder / f"out{number}")}
            with trials.tried.trial():
                rows = evaluate(trials.config(path, reward_model=judge, evaluation=output)).report["samples"]
                wrong = [row for row in rows if (row["score"] == 7.0) != (row["status"] == "scored")]
                trials.tried.lost += len(wrong)


def kills(trials: Trials) -> None:
    """Kill -9 at random progress, then resume."""
    path = trials.file("b.json", json.dumps([item(id=str(number)) for number in range(10 * trials.count)]).encode())
    editor = {"class_path": "benchmarks.models.SleepingEditor", "params": {"seconds": 0.02}}
    config = trials.config(path, diffusion_model=editor)
    place = trials.file("c.yaml", yaml.safe_dump(config.redacted(), allow_unicode=True).encode())
    command = [sys.executable, str(ROOT / "main.py"), "--config", str(place), "--resume"]
    before: dict[tuple[str, str], int] = {}
    for pieces in sorted(trials.dice.sample(range(18 * trials.count), trials.count)):
        with trials.tried.trial():
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            after = kill_at(process, config.evaluation.output_dir, pieces, trials.dice.uniform(0, 0.02))
            trials.tried.lost += wasted(before, after).total()
            before = after
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    trials.tried.tracebacks += ended.returncode != 0 or "Traceback" in ended.stderr
    trials.tried.lost += wasted(before, finished(config.evaluation.output_dir)).total()


def requests(trials: Trials) -> None:
    """Random bytes and bodies to the edit server, which must go on serving."""
    from benchmarks.models import SleepingEditor
    from tests.edit_servers import CLIENT, edit_server
    from tests.mutations import ODD, damaged

    sound = {"image": b64(png((16, 16))), "instruction": "x", "seed": 1}
    with edit_server(SleepingEditor({})) as url:
        for number in range(trials.count):
            body = json.dumps(
                sound | {trials.dice.choice(["image", "instruction", "seed", "digest"]): trials.dice.choice(ODD)}
            )
            content = damaged(trials.dice, body.encode()) if number % 2 else body.encode()
            kind = trials.dice.choice(["application/json"] * 4 + ["text/plain", ""])
            with trials.tried.trial():
                answer = CLIENT.post(f"{url}/edit", content=content, headers={"content-type": kind})
                trials.tried.tracebacks += answer.status_code >= 500
        trials.tried.lost += CLIENT.post(f"{url}/edit", json=sound).status_code != 200


def secrets(trials: Trials) -> None:
    """30 names of secrets in the params of plug-ins: looked for in all files, in the console's text and in /health."""
    from benchmarks.models import SleepingEditor
    from tests.edit_servers import CLIENT, edit_server

    def some(start: str) -> dict[str, str]:
        return {name: f"{start}{place:02d}v{trials.dice.randrange(10**6)}" for place, name in enumerate(SECRET_NAMES)}

    values, nested = some("hunter"), some("gather")
    path = trials.file("b.json", json.dumps([item()]).encode())
    config = trials.config(
        path,
        diffusion_model={"class_path": "benchmarks.models.SleepingEditor", "params": dict(values)},
        reward_model={"class_path": "benchmarks.models.ServerJudge", "params": {"client": [{"options": nested}]}},
    )
    place = trials.file("c.yaml", yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True).encode())
    said = ""
    for words in (["check", "--config"], ["evaluate", "--config"]):
        command = [sys.executable, str(ROOT / "main.py"), *words, str(place)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        said += ended.stdout + ended.stderr
        trials.tried.tracebacks += ended.returncode != 0
    with edit_server(SleepingEditor(dict(values))) as url:
        said += CLIENT.get(f"{url}/health").text
        said += CLIENT.post(f"{url}/edit", json={"image": "", "instruction": "x", "seed": 1, "digest": "other"}).text
    kept = [said.encode(), *(file.read_bytes() for file in (trials.folder / "out").rglob("*") if file.is_file())]
    with suppress(sqlite3.Error), sqlite3.connect(trials.folder / "out" / "record.sqlite") as database:
        kept.append("\n".join(database.iterdump()).encode(errors="replace"))
    trials.tried.trials = len(values)
    shown = [value for value in (*values.values(), *nested.values()) if any(value.encode() in text for text in kept)]
    trials.tried.lost += len(shown)


CASES: dict[str, Callable[[Trials], None]] = {
    case.__name__: case
    for case in (
        *(digits, brackets, deep, base64_text, frames, flat, served, rgba, parquet, bodies),
        *(files, configs, faults, kills, requests, secrets),
    )
}


def run_case() -> None:
    """Runs one case (arguments: name, number of trials, seed, folder) and prints what came of it as JSON."""
    name, count, seed, folder = sys.argv[1:]
    trials = Trials(Path(folder), int(count), random.Random(int(seed)))
    CASES[name](trials)
    trials.tried.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(asdict(trials.tried)))
