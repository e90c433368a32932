"""What a plug-in needs: `from editloop import Editor, Judge, Scorer, Task`; `docs/plugins.md` shows one of each.

Names are found when they are asked for, and none of them imports torch.
"""

from typing import TYPE_CHECKING, Any

import src

if TYPE_CHECKING:
    from src.plugin_face import *  # noqa: F403 (for editors and type checkers)

__version__ = src.__version__


def __getattr__(name: str) -> Any:
    if name == "__all__":  # asked for by `from editloop import *`
        return sorted({*__dir__()} - {"__version__"})
    return src.plugin_name(name, __name__)


def __dir__() -> list[str]:
    from src.plugin_face import __all__ as names

    return ["__version__", *names]
