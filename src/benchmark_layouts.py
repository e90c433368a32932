"""The names of the layouts in which benchmarks are stored; `src/data/benchmarks` reads them."""

from __future__ import annotations

from typing import Literal

BenchmarkLayout = Literal[
    "native",
    "gedit",
    "imgedit",
    "imgedit-uge",
    "imgedit-multiturn",
    "rise",
    "kris",
    "uniredit",
    "complex-edit",
    "mmmg",
    "omni-edit",
    "magicbrush",
    "aurora",
    "human-edit",
    "vismin",
]
"""`native` is EditLoop's own; each of the others is the official layout of a public benchmark."""
