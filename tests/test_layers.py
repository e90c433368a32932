"""The layer rule of docs/architecture.md: imports point downwards only, and no files import each other in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FOUNDATION = "foundation"
"""The files at the root of `src` but for the commands: config, registry, errors and the like."""

MAY_IMPORT = {
    "main": {"commands", "audit", "serving", "training", "pipeline", "reporting", "record", "data", FOUNDATION},
    "commands": {"serving", "training", "pipeline", "reporting", "record", "data", FOUNDATION},
    "audit": {"pipeline", "reporting", "record", "rewards", "models", "data", FOUNDATION},
    "serving": {"pipeline", "reporting", "record", "models", "data", FOUNDATION},
    "training": {"pipeline", "reporting", "record", "rewards", "models", "data", FOUNDATION},
    "pipeline": {"reporting", "record", "rewards", "models", "data", FOUNDATION},
    "reporting": {"record", "data", FOUNDATION},
    "record": {"data", FOUNDATION},
    "rewards": {"models", "data", FOUNDATION},
    "models": {"data", FOUNDATION},
    "data": {FOUNDATION},
    FOUNDATION: set(),
    "plugin_face": {"training", "reporting", "rewards", "models", "data", FOUNDATION},
    "miniature": {"training", "pipeline", "reporting", "record", "rewards", "models", "data", FOUNDATION},
}
"""What a layer may import besides itself."""


def source_files() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    files = [ROOT / "main.py", *sorted((ROOT / "src").rglob("*.py"))]
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in files}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


def imported(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of the product that a file imports: at its head, in functions, and for type checkers alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if found := next((name for name in (whole, node.module) if name in modules), None):
                    yield found
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}:{node.lineno}: imports are absolute here, so that this test sees them")


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
    return {name: set(imported(path, modules)) - {name} for name, path in modules.items()}


def test_imports_point_downwards_only(imports: dict[str, set[str]]) -> None:
    upward = [
        f"{module} → {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if layer(other) != layer(module) and layer(other) not in MAY_IMPORT[layer(module)]
    ]
    assert not upward, "\n".join(upward)


def test_no_files_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


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
