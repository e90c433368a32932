"""The examples of docs/plugins.md, run as its reader would run them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
MODULES = {re.match(r"# (\w+\.py)", code).group(1): code for kind, code in BLOCKS if kind == "python"}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", MODULES)
def test_an_example_takes_at_most_fifteen_lines(name: str) -> None:
    assert len([line for line in MODULES[name].splitlines() if line.strip()]) <= 15


def test_the_examples_run_outside_src_from_the_command_line(tmp_path: Path) -> None:
    for name, code in MODULES.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    settings = yaml.safe_load(next(code for kind, code in BLOCKS if kind == "yaml"))
    settings["benchmark"]["data_path"] = str(ROOT / settings["benchmark"]["data_path"])
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    command = [sys.executable, str(ROOT / "main.py"), "--config", "mine.yaml", "--limit", "10"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(next((tmp_path / "outputs/my_models/results").glob("*.json")).read_text())
    assert report["statuses"] == {"scored": 10}
    assert report["editor"]["class"] == "my_models.Brighten"
    assert 0 < report["overall_statistics"]["mean"] < 10
