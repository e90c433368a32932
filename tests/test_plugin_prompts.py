"""A plug-in's scorer brings its prompts in a folder of its own, under the rules of the shipped ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from src.errors import ConfigError
from src.models.vlm.prompts import PROMPTS_FOLDER, load_prompt
from src.rewards.core.judged_scorer import JudgedScorer
from src.rewards.core.scorer import question_key
from src.rewards.scorers.vie import VIEScorer
from tests.judged_edits import asked, edit, judged, sample

MODULE = """
from pathlib import Path
from src.rewards.core.judged_scorer import JudgedScorer


class Sharpness(JudgedScorer):
    FOLDER = "sharpness"
    PROMPTS = ("edges",)
    {more}

    def judge_prompts(self, sample):
        return [self.edit_prompt("edges", ("edges",), sample, shows=("edited",))]

    def conclude(self, edit, values):
        return values["edges"], {{}}
"""
PROMPT = '{# sharpness/edges v1 #}\n{% extends "shared/frame.en.j2" %}\n{% block criteria %}Sharp?{% endblock %}'

Plugin = Callable[..., type[JudgedScorer]]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    """Writes a plug-in and its prompt, and imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make(prompt: str = PROMPT, folder: str = "prompts", more: str = "") -> type[JudgedScorer]:
        name = f"sharp_plugin_{tmp_path.name.replace('-', '_')}_{len(made)}"
        made.append(name)
        (tmp_path / f"{name}.py").write_text(MODULE.format(more=more), encoding="utf-8")
        (tmp_path / folder / "sharpness").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "sharpness/edges.en.j2").write_text(prompt, encoding="utf-8")
        load_prompt.cache_clear()
        importlib.invalidate_caches()
        found: type[JudgedScorer] = importlib.import_module(name).Sharpness
        return found

    yield make
    load_prompt.cache_clear()
    for name in made:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("folder", "more"), [("prompts", ""), ("words", 'PROMPTS_DIR = Path(__file__).parent / "words"')]
)
def test_prompts_come_from_beside_the_module_or_from_the_folder_that_the_class_names(
    plugin: Plugin, folder: str, more: str
) -> None:
    scorer = judged(plugin(folder=folder, more=more), {"Sharp?": ["Score: 8"]})
    assert scorer.score([edit()])[0].score == 8.0
    ((question,),) = asked(scorer)
    assert "You judge edited images." in question.system_prompt  # the frame is this project's
    assert list(scorer.prompt_versions()) == ["sharpness/edges v1"]


def test_another_word_of_a_plug_ins_prompt_makes_another_key(plugin: Plugin) -> None:
    def key(prompt: str) -> tuple[Any, Any]:
        scorer = judged(plugin(prompt), {})
        return question_key(scorer.question(sample())), scorer.prompt_versions()

    assert key(PROMPT) == key(PROMPT)
    assert key(PROMPT)[0] != key(PROMPT.replace("Sharp?", "Crisp?"))[0]
    assert key(PROMPT)[1] != key(PROMPT.replace("Sharp?", "Crisp?"))[1]


def test_a_subclass_elsewhere_finds_the_prompts_of_its_parent_and_of_this_project(plugin: Plugin) -> None:
    class Sharper(plugin()):  # type: ignore[misc]
        pass

    class Mine(VIEScorer):
        pass

    assert list(judged(Sharper, {}).prompt_versions()) == ["sharpness/edges v1"]
    assert judged(Mine, {}).prompt_versions() == judged(VIEScorer, {}).prompt_versions()


def test_a_missing_prompt_is_an_error_that_names_the_folders_that_were_searched(plugin: Plugin, tmp_path: Path) -> None:
    scorer = judged(plugin(), {}, language="zh")
    with pytest.raises(ConfigError) as caught:
        scorer.question(sample())
    assert "no prompt sharpness/edges.zh.j2" in str(caught.value)
    assert f"{tmp_path / 'prompts'}, which holds sharpness/edges.en.j2" in str(caught.value)
    assert f"{PROMPTS_FOLDER}, which holds alignment_quality/" in str(caught.value)


def test_a_folder_that_a_derived_class_searches_as_well_is_named_once(plugin: Plugin, tmp_path: Path) -> None:
    parent = plugin()
    derived = type("Sharper", (parent,), {"__module__": parent.__module__})
    with pytest.raises(ConfigError) as caught:
        judged(derived, {}, language="zh").question(sample())
    assert str(caught.value).count(f"{tmp_path / 'prompts'}, which holds") == 1


def test_a_prompt_of_its_own_goes_before_the_one_of_this_project(tmp_path: Path) -> None:
    shipped = load_prompt("vie_score", "perceptual_quality", "en")
    own = tmp_path / "vie_score/perceptual_quality.en.j2"
    own.parent.mkdir()
    own.write_text("{# vie_score/perceptual_quality v9 #}\nmine", encoding="utf-8")
    found = load_prompt("vie_score", "perceptual_quality", "en", (tmp_path,))
    assert (found.version, found.render()) == ("vie_score/perceptual_quality v9", ("mine", "mine"))
    assert found.sha256 != shipped.sha256


@pytest.mark.parametrize("word", ["extends", "include"])
def test_a_prompt_that_extends_itself_is_an_error_that_names_its_file(
    plugin: Plugin, tmp_path: Path, word: str
) -> None:
    scorer = judged(plugin(PROMPT.replace('extends "shared/frame.en.j2"', f'{word} "sharpness/other.en.j2"')), {})
    other = tmp_path / "prompts/sharpness/other.en.j2"
    other.write_text(f'{{# sharpness/other v1 #}}\n{{% {word} "sharpness/edges.en.j2" %}}', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        scorer.question(sample())
    assert f"{tmp_path / 'prompts/sharpness/edges.en.j2'} extends itself" in str(caught.value)
    assert "sharpness/edges.en.j2 → sharpness/other.en.j2 → sharpness/edges.en.j2" in str(caught.value)


def test_a_file_that_two_prompts_extend_is_no_circle(plugin: Plugin, tmp_path: Path) -> None:
    frame = '{% extends "shared/frame.en.j2" %}'
    scorer = judged(plugin(f'{PROMPT}{{% include "sharpness/tail.en.j2" %}}'), {})
    (tmp_path / "prompts/sharpness/tail.en.j2").write_text(frame, encoding="utf-8")
    assert list(scorer.prompt_versions()) == ["sharpness/edges v1"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (PROMPT.replace("{#", "{# my"), r"must begin with the line {# sharpness/edges v1 #}"),
        (PROMPT.replace("Sharp?", "{{ sharpnes }}"), r"sharpness/edges v1 cannot be rendered: 'sharpnes' is undefined"),
        (PROMPT.replace("Sharp?", "{{ ''.__class__.mro() }}"), r"cannot be rendered: .*unsafe"),
        (PROMPT.replace("Sharp?", "{% if %}"), r"sharpness/edges\.en\.j2 of .* cannot be read"),
        (PROMPT.replace("shared/frame.en.j2", "../../frame.en.j2"), r"no prompt \.\./\.\./frame\.en\.j2"),
    ],
)
def test_a_wrong_prompt_is_a_config_error(plugin: Plugin, prompt: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        question_key(judged(plugin(prompt), {}).question(sample()))


@pytest.mark.parametrize("name", ["../secrets", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\..\\b", "edges.en"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "secrets.en.j2").write_text("{# ../secrets v1 #}\nsecret", encoding="utf-8")
    (tmp_path / "prompts/sharpness").mkdir(parents=True)
    for protocol, prompt in (("sharpness", name), (name, "edges")):
        with pytest.raises(ConfigError, match="is no name of a prompt"):
            load_prompt(protocol, prompt, "en", (tmp_path / "prompts",))
