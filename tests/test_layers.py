"""The layer rule of docs/architecture.md: imports point downwards only, and no files import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from src.published_names import MODULES

ROOT = Path(__file__).resolve().parents[1]

FOUNDATION = "foundation"
"""The files at the root of `src` but for the commands: config, registry, errors and the like."""

MAY_IMPORT = {
    "main": {"commands", "audit", "serving", "training", "pipeline", "reporting", "record", "data", FOUNDATION},
    "commands": {"serving", "training", "pipeline", "reporting", "record", "models", "data", FOUNDATION},
    "audit": {"pipeline", "reporting", "record", "rewards", "models", "data", FOUNDATION},
    "serving": {"pipeline", "reporting", "record", "models", "data", FOUNDATION},
    "training": {"pipeline", "reporting", "record", "rewards", "cluster", "models", "data", FOUNDATION},
    "pipeline": {"reporting", "record", "rewards", "cluster", "models", "data", FOUNDATION},
    "reporting": {"record", "data", FOUNDATION},
    "record": {"data", FOUNDATION},
    "rewards": {"models", "data", FOUNDATION},
    "cluster": {"models", "data", FOUNDATION},
    "models": {"data", FOUNDATION},
    "data": {FOUNDATION},
    FOUNDATION: set(),
    "plugin_face": {"training", "reporting", "rewards", "models", "data", FOUNDATION},
    "miniature": {"training", "pipeline", "reporting", "record", "rewards", "models", "data", FOUNDATION},
}
"""What a layer may import besides itself."""

IMPORTS_BY_NAME = ("src", "src.published_names", "src.registry")
"""The files that import what a string names: the face of plug-ins, names of before, and class paths."""

OUTSIDE = {"benchmarks", "build_backend", "editloop", "tests"}
"""What imports the product, and is not imported by it."""

OF_THE_PACKAGE = {"src.__version__"}
"""What a file of the product may take from the package itself, of which all else is for plug-ins."""


def source_files() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    files = [ROOT / "main.py", *sorted((ROOT / "src").rglob("*.py"))]
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in files}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


def imports_of(code: str, importer: str, modules: Collection[str]) -> set[str]:
    """The modules of the product that code imports: at its head, in functions, and for type checkers alone.

    An import of a module runs the packages around it, so these count as well where the importer is not in them.

    Raises:
        AssertionError: for an import that could lead anywhere, or out of the product into its tests.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {_module(alias.name, "", modules) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}:{node.lineno}: imports are absolute here, so that this test sees them"
            found |= {_module(node.module or "", alias.name, modules) for alias in node.names}
        elif importer not in IMPORTS_BY_NAME and _imports_by_name(node):
            raise AssertionError(f"{importer}: only {', '.join(IMPORTS_BY_NAME)} may import what a string names")
    packages = {".".join(parts[:end]) for parts in (name.split(".") for name in found) for end in range(2, len(parts))}
    around = {package for package in packages if not f"{importer}.".startswith(f"{package}.")}
    return ({name for name in found if name} | around) - {importer}


def _module(module: str, name: str, modules: Collection[str]) -> str:
    """The module of the product that an import needs, under its name of today; empty for one of elsewhere."""
    whole = f"{module}.{name}" if name else module
    assert module.split(".")[0] not in OUTSIDE, f"{whole} is no part of the product"
    known = {*modules, *MODULES, *OF_THE_PACKAGE} - {"src"}
    assert module != "src" or whole in known, f"{whole}: name the module that has it"
    today = (MODULES.get(one, one) for one in (whole, module))
    return next((one for one in today if one in modules), "")


def _imports_by_name(node: ast.AST) -> bool:
    """Whether a node is `importlib.import_module` or `__import__`, called or handed on, or a way to get at them."""
    if isinstance(node, ast.Attribute):
        return node.attr == "import_module"
    return isinstance(node, ast.Name) and node.id in {"__import__", "import_module"}


def layer(module: str) -> str:
    """The layer that a module belongs to."""
    parts = module.split(".")
    if parts[0] == "main":
        return "main"
    name = parts[1] if len(parts) > 1 else ""
    return name if name in MAY_IMPORT else FOUNDATION


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each module imports."""
    modules = source_files()
    return {name: imports_of(path.read_text(encoding="utf-8"), name, modules) for name, path in modules.items()}


def upward(imports: Mapping[str, set[str]]) -> list[str]:
    """The imports that the rule forbids."""
    return [
        f"{module} → {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if layer(other) != layer(module) and layer(other) not in MAY_IMPORT[layer(module)]
    ]


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, if there are any."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_imports_point_downwards_only(imports: dict[str, set[str]]) -> None:
    assert not upward(imports), "\n".join(upward(imports))


def test_no_files_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    assert not circle(imports), f"a circle: {' → '.join(circle(imports))}"


@pytest.mark.parametrize(
    "code",
    [
        "from src import Scorer",
        "import src",
        "def later():\n    from editloop import Scorer",
        "import editloop",
        "import tests.plugins",
        "from benchmarks import speed",
        "import importlib\nimportlib.import_module('src.rewards.core.scorer')",
        "import importlib as i\nload = i.import_module",
        "from importlib import import_module\nimport_module('src.rewards.core.scorer')",
        "__import__('src.rewards.core.scorer')",
        "from . import errors",
    ],
)
def test_an_import_that_the_rule_could_not_see_is_refused(code: str) -> None:
    with pytest.raises(AssertionError):
        imports_of(code, "src.data.loader", source_files())


@pytest.mark.parametrize(
    "code",
    [
        "from src.rewards.base import Scorer",
        "import src.rewards.base",
        "from src.rewards import base",
        "from src.rewards.core import scorer",
        "if TYPE_CHECKING:\n    from src.rewards.core.scorer import Scorer",
    ],
)
def test_a_file_of_the_data_may_import_a_scorer_by_no_name(code: str) -> None:
    found = imports_of(code, "src.data.loader", source_files())
    assert "src.data.loader → src.rewards.core.scorer" in upward({"src.data.loader": found})


def test_a_circle_through_a_package_is_seen() -> None:
    codes = {
        "src.data": "from src.reasons import reason_of",
        "src.data.names": "",
        "src.reasons": "from src.data.names import NAMES",
    }
    assert set(circle({name: imports_of(code, name, codes) for name, code in codes.items()})) == {
        "src.data",
        "src.reasons",
    }


def test_every_folder_is_a_layer_of_the_rule_and_says_what_lives_in_it() -> None:
    for folder in sorted(path.parent for path in (ROOT / "src").rglob("__init__.py")):
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert docstring, f"{folder.relative_to(ROOT)}/__init__.py says nothing"
        if folder.parent == ROOT / "src":
            assert folder.name in MAY_IMPORT, f"{folder.name} has no place in the rule"


def test_no_file_of_the_source_is_longer_than_350_lines() -> None:
    longer = {
        name: count
        for name, path in source_files().items()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 350
    }
    assert not longer, longer
