"""Cards of the miniature models: they are what their commands write, and tell what only people know."""

from __future__ import annotations

import re
import string
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from src.errors import ConfigError
from src.miniature.editor.evaluate_editor import CARD as EDITOR_CARD
from src.miniature.editor.goals import missed_goals
from src.miniature.generator.evaluate_generator import CARD as GENERATOR_CARD
from src.miniature.judge import evaluate_judge
from src.miniature.judge.agreement import MAIN, Measured
from src.miniature.judge.card import CARD as JUDGE_CARD
from src.miniature.judge.drawing import JUDGE_SEEDS, PairSettings, draw_chunk
from src.miniature.judge.train_judge import JudgeRecipe, make_judge
from src.miniature.model_card import TEXTS
from src.miniature.model_folder import replaced_folder
from src.miniature.policy.card import CARD as POLICY_CARD
from src.miniature.policy.train_policy import PolicyRecipe, make_policy
from src.miniature.world.edits import CATEGORIES, DIFFICULTIES

SHIPPED = Path("assets/miniature")
TEMPLATES = {"editor": EDITOR_CARD, "generator": GENERATOR_CARD, "judge": JUDGE_CARD, "policy": POLICY_CARD}


def shipped_card(model: str) -> str:
    return (SHIPPED / model / "README.md").read_text(encoding="utf-8")


def same_words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("model", TEMPLATES)
def test_a_shipped_card_is_made_from_its_template_and_the_texts_kept_beside_it(model: str) -> None:
    pattern, seen = "", set[str]()
    for literal, field, _, _ in string.Formatter().parse(TEMPLATES[model]):
        pattern += re.escape(literal)
        if field in TEXTS:
            kept = (SHIPPED / model / f"{field}.md").read_text(encoding="utf-8").strip()
            pattern += re.escape(kept.replace("\n", "\n  "))
        elif field is not None:
            pattern += f"(?P={field})" if field in seen else f"(?P<{field}>.*?)"
            seen.add(field)
    assert re.fullmatch(pattern, shipped_card(model), re.DOTALL)


@pytest.mark.parametrize("model", [*TEMPLATES, "thinking_encoder"])
def test_every_shipped_card_tells_what_is_kept_beside_it(model: str) -> None:
    kept = [file for name in TEXTS if (file := SHIPPED / model / f"{name}.md").exists()]
    assert kept
    for file in kept:
        assert same_words(file.read_text(encoding="utf-8")) in same_words(shipped_card(model))


def test_the_shipped_editor_names_every_missed_goal_with_its_own_figures() -> None:
    card = shipped_card("editor")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]
    means = {row[0].strip("*"): row for row in rows if row[1] == "all"}
    nearer = {row[0]: row[2] for row in rows if len(row) == 4}
    (told,) = re.findall(r"Goals that it misses\*\*: (.*?)\. ", card)
    for category in CATEGORIES:
        assert f"{category} ({means[category][2]})" in told
    for name, column in (("by the reference score", 2), ("*neutral* at most 0.5", 7), ("*unrelated* at most 0.5", 8)):
        assert f"{name} ({means['all'][column]})" in told
    for kind in ("side", "which"):
        assert f"(`{kind}`) right in 80% ({nearer[kind]};" in told


def test_a_goal_is_missed_below_its_least_and_above_its_most() -> None:
    at_goal = {"neutral": [0.5], "unrelated": [0.4], "untaught": [5.0], "untaught_explicit": [6.5]}
    groups = {
        key: {"english": [9.0 if key[0] == "物理" else 7.0], **at_goal} for key in product(CATEGORIES, DIFFICULTIES)
    }
    right = {"side": [(True, True)] * 4 + [(False, False)], "which": [(True, True)]}
    assert missed_goals(groups, right) == "none"
    assert missed_goals(groups, {"side": right["side"]}) == "this or that (`which`) right in 80% (no pair measured)"
    groups |= {("指代", level): {"english": [4.9], **at_goal, "neutral": [2.0]} for level in DIFFICULTIES}
    missed = missed_goals(groups, right | {"side": [(True, False)]})
    assert missed == (
        "7 by the reference score (6.98); 5 in 指代 (4.90); *neutral* at most 0.5 (0.80); "
        "left or right (`side`) right in 80% (50%; chance 50%)"
    )


def test_a_card_written_again_without_options_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = draw_chunk(PairSettings(JUDGE_SEEDS, candidates=1, outputs=0, editors=()), 0)
    measured = Measured(pairs, {MAIN: np.zeros(len(pairs))}, {}, 0.5, {}, {})
    monkeypatch.setattr(evaluate_judge, "held_out_parts", lambda *_: {})
    monkeypatch.setattr(evaluate_judge, "evaluate", lambda *_: measured)
    recipe = {"chunks": 2, "candidates": 3, "outputs": 6, "batch": 4}
    facts: dict[str, object] = {"recipe": recipe, "steps_done": 7, "editors": ["editor"]}
    folder = tmp_path / "judge"

    def trained() -> None:
        with replaced_folder(folder, facts) as made:
            made.mkdir()
            save_file({"model.visual.x": np.zeros((2, 2))}, made / "model.safetensors")
            (made / "config.json").write_text("{}", encoding="utf-8")

    def written(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["evaluate_judge", "--model", str(folder), *options])
        evaluate_judge.main()
        return (folder / "README.md").read_text(encoding="utf-8")

    trained()
    first = written("--remark", "By hand.", "--limits", "Two\nlines.")
    assert "By hand." in first
    assert "9.9 at most). Two\n  lines.\n" in first
    assert written() == first
    assert "Later." in written("--remark", "Later.")
    assert "Two\n  lines.\n" in written()
    trained()
    again = written()
    assert "Later." not in again, "a training keeps what was told of the weights before"
    assert "Two" not in again
    assert "train_judge --steps 7 --editor assets/miniature/editor`,\n" in again


def test_a_model_that_is_not_there_is_an_error_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["evaluate_judge", "--model", str(tmp_path / "nowhere"), "--remark", "x"])
    with pytest.raises(SystemExit):
        evaluate_judge.main()
    assert "nowhere: there is no model in this folder" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "nowhere").exists()


def test_an_editor_that_is_not_there_is_named_before_the_judges_training_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--editor .*editor_6000: there is no model .* earlier states"):
        make_judge(JudgeRecipe(), tmp_path / "work", (SHIPPED / "editor", tmp_path / "editor_6000"))
    assert not (tmp_path / "work").exists()


def test_an_editor_to_begin_from_that_is_not_there_is_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--editor .*nowhere: there is no model in this folder"):
        make_policy(PolicyRecipe(), tmp_path / "nowhere", tmp_path / "work", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_recipe_tells_a_mistake_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "src.miniature.judge.train_judge", "--work", str(tmp_path), "--editor", "nowhere"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "--editor nowhere: there is no model in this folder" in ended.stderr
    assert "Traceback" not in ended.stderr
