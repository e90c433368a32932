"""Resolves a `class_path` to a class, which is imported when asked for and checked against its base class."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pydantic

from src.errors import ConfigError, EditLoopError, ModelError, did_you_mean
from src.published_names import MODULES
from src.validation import config_error

Named = TypeVar("Named")


class ClassSection(Protocol):
    """A section of a config that names a class: of an editor, a judge, a scorer, a task or a measure."""

    @property
    def class_path(self) -> str:
        """The path of the class, such as `package.module.ClassName`."""

    @property
    def params(self) -> dict[str, Any]:
        """The params of the class, by name."""


def resolve(section: ClassSection, base: type[Named], where: str) -> type[Named]:
    """The class that a section names, with its params checked: what every section of a config goes through.

    Args:
        section: Its `class_path` and `params`.
        base: What the class must derive from.
        where: The section in the config, for messages, such as `diffusion_model`.

    Raises:
        ConfigError: no such class, not one of `base`, or wrong params.
        ModelError: the class lacks something besides its params (`BaseModel.check_ready`).
    """
    found = load_class(section.class_path, base)
    check_params(found, section.params, f"{where}.params")
    return found


def load_class(class_path: str, base: type[Named]) -> type[Named]:
    """Imports `package.module.ClassName`; modules outside this project are found from the working directory as well.

    Raises:
        ConfigError: malformed path, no such module or class (with the nearest name), no subclass of `base`, abstract.
        ModelError: the module exists but fails when imported.
    """
    module_name, _, class_name = class_path.rpartition(".")
    if not module_name:
        raise ConfigError(f"class_path {class_path!r} must be 'package.module.ClassName'")
    found = getattr(_import_module(module_name, class_path), class_name, None)
    if found is None:
        module = sys.modules[module_name]
        items = {name: getattr(module, name, None) for name in dir(module)}
        names = [name for name, item in items.items() if inspect.isclass(item) and issubclass(item, base)]
        raise ConfigError(
            f"class_path {class_path!r}: module {module_name} has no class {class_name!r}."
            f"{did_you_mean(class_name, names)} It offers: {', '.join(names) or f'no {base.__name__}'}."
        )
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise ConfigError(f"class_path {class_path!r} must name a subclass of {base.__module__}.{base.__name__}")
    if missing := getattr(found, "__abstractmethods__", None):
        raise ConfigError(f"class_path {class_path!r} does not implement {', '.join(sorted(missing))}")
    return found


def _import_module(module_name: str, class_path: str) -> Any:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ModelError(
                f"class_path {class_path!r}: importing {module_name} needs the package {error.name!r}, "
                "which is not installed; pip install it"
            ) from error
        raise ConfigError(
            f"class_path {class_path!r}: there is no module {error.name!r}."
            f"{did_you_mean(error.name, _sibling_modules(error.name))} "
            "A plug-in of your own must be importable from the working directory or PYTHONPATH."
        ) from error
    except Exception as error:  # a plug-in's module may fail in any way
        raise ModelError(f"class_path {class_path!r}: importing {module_name} failed: {error!r}") from error


def _sibling_modules(module_name: str) -> list[str]:
    parent = module_name.rpartition(".")[0]
    try:
        spec = importlib.util.find_spec(parent) if parent else None
    except (ImportError, ValueError):
        return []
    locations = (spec.submodule_search_locations if spec else None) or []
    moved = [name for name in MODULES if name.rpartition(".")[0] == parent]
    return [*(f"{parent}.{module.name}" for module in pkgutil.iter_modules(locations)), *moved]


def check_params(named: type, params: Mapping[str, Any], where: str) -> None:
    """Checks `params` against the class's typed parameters (`Params`), if it has any, before anything loads.

    Raises:
        ConfigError: naming each wrong key.
        ModelError: a model lacks something besides its params (`BaseModel.check_ready`).
    """
    typed: type[pydantic.BaseModel] | None = getattr(named, "Params", None)
    if typed is not None:
        try:
            typed(**params)
        except pydantic.ValidationError as error:
            raise config_error(error, typed, f"{where} of {named.__name__}") from error
    check_ready = getattr(named, "check_ready", None)
    if check_ready is not None:
        check_ready(dict(params))


_building = threading.RLock()
"""transformers and diffusers replace functions of torch and of their own in the whole process while they load: of two
models that load at once, either may keep what the other put there. A model may build another inside it."""


def build(model_class: Callable[[dict[str, Any]], Named], params: dict[str, Any]) -> Named:
    """Constructs the model, which loads its weights; one model at a time.

    Raises:
        ModelError: with the class and the reason, whatever the model raised.
    """
    try:
        with _building:
            return model_class(params)
    except EditLoopError:
        raise
    except Exception as error:  # a model may fail in any way; the run must say which model it was
        name = getattr(model_class, "__name__", repr(model_class))
        raise ModelError(f"{name} could not be loaded: {type(error).__name__}: {error}") from error
