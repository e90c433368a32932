"""A process that runs checks for `supervise.py`, which starts it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from benchmarks.gpu.check import Setting
from benchmarks.gpu.supervise import work
from benchmarks.harness import command_line


def main() -> None:
    """Runs the checks in their order; what they print goes to the log of the supervisor."""
    parser = command_line(__doc__)
    parser.add_argument("results", type=Path, help="the file for the rows, a line of JSON a check")
    parser.add_argument("setting", type=json.loads, help="the fields of Setting, as JSON")
    parser.add_argument("functions", nargs="+", help="module:name of each check")
    given = parser.parse_args()
    logging.getLogger("src").setLevel(logging.ERROR)
    work(given.results, Setting(**given.setting), given.functions)


if __name__ == "__main__":
    main()
