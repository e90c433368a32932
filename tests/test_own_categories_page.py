"""The two files of docs/own_categories.md, made and run as its reader would, with models that are at hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "own_categories.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = re.findall(r"`editloop ([^`]*mine[^`]*)`", PAGE)
AT_HAND = {
    "diffusion_model": {"class_path": "tests.plugins.InvertEditor"},
    "reward_model": {
        "class_path": "tests.scripted_judge.ScriptedJudge",
        "params": {
            "script": {
                "lamp on": ["The bulb glows. Score: 8"],
                "evening sun": ["Score: 6"],
                "books": ["All are there. Score: 3"],
            }
        },
    },
}


def test_the_page_leads_from_a_table_to_a_report_by_its_own_commands(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name, color in (("lamp", "navy"), ("shelf", "brown")):
        Image.new("RGB", (32, 24), color).save(tmp_path / "pictures" / f"{name}.png")
    (tmp_path / "mine.csv").write_text(BLOCKS["csv"], encoding="utf-8")
    settings = yaml.safe_load(BLOCKS["yaml"])
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(settings | AT_HAND, allow_unicode=True), encoding="utf-8")
    assert len(COMMANDS) == 4, COMMANDS
    for command in COMMANDS:
        called = [sys.executable, str(ROOT / "main.py"), *command.split()]
        done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(next((tmp_path / "outputs/mine/results").glob("*.json")).read_text(encoding="utf-8"))
    assert report["summary"]["category_means"] == {"lighting": 7.0, "order": 3.0}
    assert report["statuses"] == {"scored": 3}


def test_the_prompts_of_the_page_are_a_config_with_both_placeholders_explained() -> None:
    prompts = yaml.safe_load(BLOCKS["yaml"])["prompts"]
    assert list(prompts) == ["lighting", "order"]
    assert all("{edit_instruction}" in prompt["user_prompt_template"] for prompt in prompts.values())
