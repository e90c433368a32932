"""EditLoop: benchmark instruction-based image editors with judges, then train with the same scorers."""

import importlib
from typing import Any

from src.published_names import install_import_aliases

__version__ = "0.1.0"

install_import_aliases()

_FUNCTIONS = ("load_run",)
"""What users import from here besides classes."""


def __getattr__(name: str) -> Any:
    return plugin_name(name, __name__)


def plugin_name(name: str, asked: str) -> Any:
    """Finds what users import; names of modules, which begin in lower case, load nothing.

    Args:
        name: The name that is looked for.
        asked: The module that was asked for it, for the message.

    Raises:
        AttributeError: there is no such name.
    """
    wanted = name[:1].isupper() or name in _FUNCTIONS
    face = importlib.import_module("src.plugin_face") if wanted else None
    if face is None or name not in face.__all__:
        raise AttributeError(f"module {asked!r} has no attribute {name!r}")
    return getattr(face, name)
