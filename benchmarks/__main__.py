"""Runs the benchmarks and writes their figures into the table of benchmarks/README.md.

    python -m benchmarks                    all that a CPU can run; on a machine that does nothing else
    python -m benchmarks --quick            the same in fewer rounds and samples; the table marks such figures
    python -m benchmarks memory overlap     only these; also those that need a GPU, by name

Rows of benchmarks that were not run stay as they are, and so does the row of one that failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, machine, with_figures
from benchmarks.harness import command_line, console, show

PAGE = Path(__file__).parent / "README.md"


@dataclass(frozen=True)
class Run:
    """One row of the table: a benchmark with its arguments."""

    command: str
    quick: str = ""
    """Further arguments with `--quick`."""
    on_cpu: bool = True
    """Whether it is among those that run when none is named: a browser, a GPU or Ray is no part of `make setup`."""

    @property
    def name(self) -> str:
        """The module."""
        return self.command.partition(" ")[0]


RUNS = (
    Run("overlap"),
    Run("overhead"),
    Run("memory", quick="--quick"),
    Run("kill_resume", quick="--quick"),
    Run("hostile", quick="--quick"),
    Run("judge"),
    Run("judge_prefill"),
    Run("judge_batching"),
    Run("rl_step", quick="--steps 0"),
    Run("token_step", quick="--rounds 3 --steps 2"),
    Run("report_page", quick="--samples 1000", on_cpu=False),
    Run("large_record", quick="--quick"),
    Run("statistics_coverage", quick="--trials 1000"),
    Run("comparison"),
    Run("conditioning_arithmetic", quick="--no-memory"),
    Run("qwen_full_size --size tiny"),
    Run("gpu_check --device cpu"),
    Run("ray_kills", quick="--quick", on_cpu=False),
    Run("ray_scaling", quick="--quick", on_cpu=False),
    Run("qwen_full_size", on_cpu=False),
    Run("gpu_check", on_cpu=False),
)
NOT_RUN = ("judge_agreement",)
"""Needs a server of its own."""


def measure(run: Run, quick: bool) -> dict[str, Any] | None:
    """Runs one benchmark in a process of its own; its last line, or None when it failed."""
    arguments = f"{run.command} {run.quick}" if quick and run.quick else run.command
    console.rule(f"python -m benchmarks.{arguments}")
    module, *options = arguments.split()
    command = [sys.executable, "-m", f"benchmarks.{module}", *options]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            console.out(line, end="", highlight=False)
    try:
        found: dict[str, Any] = json.loads(lines[-1]) if process.returncode == 0 else {}
    except (IndexError, json.JSONDecodeError):
        found = {}
    return found or None


def main() -> int:
    """Returns 1 when a benchmark failed or a figure misses its goal, else 0."""
    parser = command_line(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks, with all their rows of the table")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and samples")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - {run.name for run in RUNS}:
        parser.error(
            f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(run.name for run in RUNS)}"
        )
    rows, whole = [], True
    for run in RUNS:
        if run.name not in chosen.names if chosen.names else not run.on_cpu:
            continue
        found = measure(run, chosen.quick)
        whole = whole and found is not None and found["holds"]
        if found is None:
            rows.append([run.command, "failed", "", ""])
            continue
        when = date.today().isoformat() + (", quick" if chosen.quick and run.quick else "")
        figure = Figure(run.command, **found_fields(found), date=when, machine=machine())
        PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), [figure]), encoding="utf-8")
        rows.append([run.command, figure.value, figure.goal, figure.holds])
    show("Benchmarks", ["benchmark", "value", "goal", "holds"], rows)
    return 0 if whole else 1


def found_fields(found: dict[str, Any]) -> dict[str, str]:
    """The cells that a benchmark's last line fills."""
    value = f"{found['value']:.4g} {found['unit']}"
    return {"value": value, "goal": found["goal"], "holds": "yes" if found["holds"] else "**no**"}


if __name__ == "__main__":
    sys.exit(main())
