"""`only_help`: the command line of a module that has nothing to choose."""

from __future__ import annotations

import argparse


def only_help(description: str | None) -> None:
    """Answers `--help` with the description and ends; refuses every other argument."""
    formatter = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=description, formatter_class=formatter).parse_args()
