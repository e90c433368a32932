"""The errors of EditLoop, named by the boundary at which they arise.

Each message says what went wrong, where, why, and what to do next. These errors stop a command; a failure of one
sample is not an error but data (a `Status`), and never stops a run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EditLoopError(Exception):
    """Base of every error that EditLoop raises on purpose; the command line prints it without a traceback."""


class ConfigError(EditLoopError):
    """The YAML, an override or an environment variable is wrong. Raised before any model loads."""


class DataError(EditLoopError):
    """A benchmark file cannot be read as a whole (a single bad item is a `BadSample` instead)."""


class ModelError(EditLoopError):
    """A model cannot be found, checked or loaded."""


class ModelUnusable(ModelError):
    """A loaded model can serve no sample at all (wrong key, unknown model name): the run stops at once."""


class WaitBrokenOff(ModelUnusable):
    """A run that stops does not wait for a server; what was to be asked again is left as if it had never been asked."""


class OutputError(EditLoopError):
    """The output directory cannot be used: not writable, full, in use by another run, or not ours."""


class MergeError(EditLoopError):
    """Shards cannot be joined into one run: they are parts of different runs, or some of them are missing."""


class ComparisonError(EditLoopError):
    """Runs cannot be compared: they have other samples or another judge, or too few of them have scores."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion to append to an error text: `" Did you mean 'x'?"`, or an empty string when nothing is close."""
    names = list(known)
    close = [name for name in names if name.startswith(word)] or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
