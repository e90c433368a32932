"""What only an NVIDIA GPU can prove, in one table and within ten minutes.

    make gpu-check                                  installs and runs all of it
    python -m benchmarks.gpu_check --minutes 4      in an environment that is there already, in less time
    python -m benchmarks.gpu_check --only noise     some checks, by name
    python -m benchmarks.gpu_check --device cpu     what a CPU can run of it, cut down: tries the code, proves nothing

Each check runs within its own limit in a process that it can break. The exit code is 0 when every check passed or does
not apply to this machine, 1 when one did not or was not run for want of time, 2 for wrong usage, 3 without a GPU, and
130 when it was interrupted or terminated.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.markup import escape

from benchmarks.gpu.check import Check, Outcome, Row, Setting
from benchmarks.gpu.checks import CHECKS
from benchmarks.gpu.supervise import supervised
from benchmarks.harness import close, command_line, console, show

COLUMNS = ["check", "what", "measured", "wanted", "holds"]
LIBRARIES = ("torch", "diffusers", "transformers", "trl", "peft", "accelerate", "vllm")
REPORT = "gpu_check.json"
NO_GPU, INTERRUPTED = 3, 130
DRIVER_QUERY = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks; the module's text says what the number means that it returns."""
    parser = command_line(__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long all checks may take together (10)")
    parser.add_argument("--only", nargs="+", metavar="CHECK", help="only these checks, by name")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--output-dir", type=Path, default=Path("outputs/gpu_check"), help="for gpu_check.json, log.txt"
    )
    given = parser.parse_args(arguments)
    known = {check.name: check for check in CHECKS}
    if unknown := sorted(set(given.only or ()) - known.keys()):
        parser.error(f"no such check: {', '.join(unknown)}; there are {', '.join(known)}")
    if not given.minutes > 0:
        parser.error(f"--minutes {given.minutes:g} is no time to run anything in")
    checks = [check for check in CHECKS if not given.only or check.name in given.only]
    if given.device == "cuda" and not (names := gpus()):
        return _without_gpu(checks)
    try:
        given.output_dir.mkdir(parents=True, exist_ok=True)
        (given.output_dir / REPORT).unlink(missing_ok=True)
        (given.output_dir / "log.txt").write_bytes(b"")
    except OSError as error:
        parser.error(f"--output-dir {given.output_dir} cannot be written to: {error.strerror or error}")
    title = ", ".join(names) if given.device == "cuda" else "CPU, cut down: no result says anything about a GPU"
    setting = Setting(given.device, tiny=given.device == "cpu")
    rows, seconds, interrupted = _run(checks, setting, 60 * given.minutes, given.output_dir, title)
    show(f"{title}, {seconds:.0f} s", COLUMNS, [cells(row) for row in rows])
    bad = sum(not row.outcome.passes for row in rows)
    close("gpu_check", bad, "rows that do not hold, failed or were not run", "== 0", besides=not interrupted)
    return INTERRUPTED if interrupted else int(bad > 0)


def gpus() -> list[str]:
    """Names of the GPUs that torch sees."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [torch.cuda.get_device_name(index) for index in range(count)]


def _without_gpu(checks: Sequence[Check]) -> int:
    """Says why there is none, as far as it can be told, and what would be run."""
    import torch

    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    console.print(f"torch {torch.__version__} ({built}) sees no NVIDIA GPU; {driver()}.", highlight=False)
    rows = [[check.name, check.proves, f"{check.seconds:.0f} s"] for check in checks]
    show("On a machine with one this would run", ["check", "what it shows", "at most"], rows)
    console.print("--device cpu tries the code of these checks on the CPU; it proves nothing about a GPU.")
    return NO_GPU


def driver() -> str:
    """What NVIDIA's own tool says: GPUs and driver, or that it is not there."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return "nvidia-smi is not there either, so the NVIDIA driver seems not to be installed"
    try:
        asked = subprocess.run([tool, *DRIVER_QUERY], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi is there and gives no answer ({error})"
    said = " ".join((asked.stdout + asked.stderr).split())
    return f"nvidia-smi says: {said or f'nothing, with exit code {asked.returncode}'}"


def _run(
    checks: Sequence[Check], setting: Setting, limit: float, folder: Path, title: str
) -> tuple[list[Row], float, bool]:
    """The rows, the seconds that they took, and whether they were interrupted; the JSON tells all after each row."""
    console.print(f"{len(checks)} checks, at most {limit / 60:.3g} minutes; log in {folder / 'log.txt'}")
    started = time.monotonic()
    rows: list[Row] = []
    interrupted = False

    def left(reason: str) -> list[Row]:
        begun = {row.check for row in rows}
        missing = [check for check in checks if check.name not in begun]
        return [Row(check.name, Outcome.NOT_RUN, check.proves, reason=reason) for check in missing]

    machine = described(title, setting)
    try:
        with terminable(), closing(supervised(checks, setting, limit, folder)) as found:
            for row in found:
                rows.append(row)
                console.print(" | ".join(filter(None, cells(row))), highlight=False)
                so_far = [*rows, *left("not run yet, or killed before")]
                _write(folder / REPORT, machine, so_far, time.monotonic() - started)
    except KeyboardInterrupt:
        interrupted = True
        rows += left("interrupted")
    seconds = time.monotonic() - started
    _write(folder / REPORT, machine, rows, seconds)
    return rows, seconds, interrupted


@contextmanager
def terminable() -> Iterator[None]:
    """Within the block, being terminated is as Ctrl-C: what runs is ended, which is in sessions of its own."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def described(title: str, setting: Setting) -> dict[str, Any]:
    """The machine and the packages, for the JSON."""
    versions = {name: version for name in LIBRARIES if (version := _version(name))}
    described: dict[str, Any] = {
        "device": title,
        "tiny": setting.tiny,
        "python": platform.python_version(),
        "packages": versions,
    }
    if setting.on_gpu:
        described["driver"] = driver()
    return described


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _write(path: Path, machine: dict[str, Any], rows: Sequence[Row], seconds: float) -> None:
    passed = all(row.outcome.passes for row in rows)
    found = {
        "machine": machine,
        "passed": passed,
        "seconds": seconds,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)


def cells(row: Row) -> list[str]:
    """A row as the table shows it."""
    shown: Callable[[str], str] = escape
    return [row.check, shown(row.what), shown(row.measured or row.reason), shown(row.wanted), row.outcome.value]


if __name__ == "__main__":
    sys.exit(main())
