"""`decimal_option`: an option of a command that takes a plain decimal number."""

from __future__ import annotations

import math
from typing import Any

import typer

from src.plain_decimal import plain_decimal


def decimal_option(
    *names: str, low: float = -math.inf, high: float = math.inf, help: str, metavar: str = "NUMBER"
) -> Any:
    """Declares the option. `1_0`, which Python reads as 10, and NaN are errors of usage: no bound would stop them.

    Args:
        names: Of the option; without any, it goes by the parameter's.
        low: The lowest number that is taken.
        high: The highest.
        help: For `--help`.
        metavar: How `--help` calls the value.
    """

    def parse(value: str | float) -> float:
        try:
            number = plain_decimal(value) if isinstance(value, str) else float(value)  # defaults are numbers already
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        if not low <= number <= high or math.isinf(number):
            bounds = f"{low:g} or more" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise typer.BadParameter(f"{number:g} is not {bounds}")
        return number

    return typer.Option(*names, parser=parse, metavar=metavar, help=help)
