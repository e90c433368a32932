"""The table of figures in benchmarks/README.md, and how the machine is described there."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

START = "<!-- written by python -m benchmarks -->\n"
END = "<!-- end of what is written -->\n"


@dataclass(frozen=True)
class Figure:
    """One row."""

    benchmark: str
    value: str
    goal: str
    holds: str
    date: str
    machine: str


def read_figures(page: str) -> list[Figure]:
    """The rows of a page's table.

    Raises:
        ValueError: when the page has no place for the table.
    """
    if START not in page or END not in page:
        raise ValueError(f"the page has no lines {START.strip()} and {END.strip()}")
    table = page.partition(START)[2].partition(END)[0]
    rows = [re.split(r"\s+\|\s+", line.strip("| \n")) for line in table.splitlines() if line.startswith("| ")]
    return [Figure(*(cell.strip("`") if place == 0 else cell for place, cell in enumerate(row))) for row in rows[1:]]


def with_figures(page: str, new: Iterable[Figure]) -> str:
    """The page with these rows in place of those of the same benchmark; new ones come last."""
    rows = {figure.benchmark: figure for figure in read_figures(page)} | {figure.benchmark: figure for figure in new}
    names = [field.name for field in fields(Figure)]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join([f'`{row.benchmark}`', *astuple(row)[1:]])} |" for row in rows.values()]
    before, _, rest = page.partition(START)
    return before + START + "\n".join(lines) + "\n" + END + rest.partition(END)[2]


def machine() -> str:
    """Processor, cores, memory and GPUs: what decides the figures, and nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB", *_gpus()]
    return " + ".join(parts).replace("|", "/")


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    text = information.read_text(encoding="utf-8") if information.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return " ".join(found[1].split()) if found else platform.machine()


def _gpus() -> list[str]:
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    names = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return [f"{names.count(name)} × {name}" for name in dict.fromkeys(names)]
