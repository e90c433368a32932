"""Prompts read from a checkout of a benchmark's repository, without running any of it.

The texts here are ours; only the names of files and variables are the benchmarks'.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ConfigError
from src.models.vlm.official_prompts import OfficialFiles, read_official_prompts
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.scorer import question_key
from src.rewards.scorers.protocols.gedit import GEdit
from src.rewards.scorers.protocols.imgedit import CRITERIA
from tests.protocol_samples import REFERENCE, lazy, protocol_scorer, sample

VIE = '''
import nothing_of_that_name
raise SystemExit("this file was run")
_context_no_delimit = """Context."""
_prompts_0shot_two_image_edit_rule = "Two images."
_prompts_0shot_tie_rule_SC = "Instruction: <instruction>"
_prompts_0shot_rule_PQ = "One image."
computed = "a" + "b"
'''


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return folder


def prompts(protocol: str, folder: Path, category: str = "style", **changes: Any) -> list[JudgePrompt]:
    return protocol_scorer(protocol, official_prompts=str(folder)).judge_prompts(sample(category, **changes))


def test_texts_of_a_python_file_are_read_and_nothing_is_run(tmp_path: Path) -> None:
    write(tmp_path, "GEdit-Bench/viescore/vie_prompts.py", VIE)
    consistency, quality = prompts("gedit@2025-05", tmp_path, instruction="Say {x} <instruction>.")
    assert consistency.text == "Context.\nTwo images.\nInstruction: Say {x} <instruction>."
    assert quality.text == "Context.\nOne image."
    assert consistency.system == ""


def test_texts_of_a_json_file_are_read_by_edit_type(tmp_path: Path) -> None:
    texts = {name: f"{name}: <edit_prompt>" for name in CRITERIA}
    write(tmp_path, "Benchmark/Basic/prompts.json", json.dumps({**texts, "other": [1]}))
    for category in CRITERIA:
        (prompt,) = prompts("imgedit@2025-09", tmp_path, category)
        assert prompt.text == f"{category}: Make it blue."
        names = "Target Fidelity: 5\nMask Precision: 4\nVisual Quality: 3"
        assert list(prompt.request(()).parse(f"Fine.\n{names}").values()) == [5.0, 4.0, 3.0]


def test_texts_for_str_format_are_filled_with_names_alone(tmp_path: Path) -> None:
    text = (
        'prompt_consist = "C {instruct} {{kept}}"\nprompt_quality = "Q {{ X }}"\n'
        'prompt_instruction_following = "I {instruct}"'
    )
    write(tmp_path, "ReasonEdit/prompts.py", text)
    asked = prompts("kris@2025-05", tmp_path, "color_change", instruction="{instruct} {0}")
    assert [prompt.text for prompt in asked] == ["C {instruct} {0} {kept}", "I {instruct} {0}", "Q {{ X }}"]


@pytest.mark.parametrize(
    "text", ["{instruct.__class__}", "{instruct[0]}", "{other}", "{instruct!r}", "{instruct:>9}", "{", "}"]
)
def test_a_text_that_looks_into_objects_or_names_what_is_unknown_is_not_asked(tmp_path: Path, text: str) -> None:
    texts = f"prompt_consist = {text!r}\nprompt_quality = prompt_instruction_following = 'fine'"
    write(tmp_path, "ReasonEdit/prompts.py", texts)
    scorer = protocol_scorer("kris@2025-05", official_prompts=str(tmp_path))
    assert "official prompts: prompts.py, prompt_consist" in str(scorer.inapplicable(sample("color_change")))
    assert scorer.judge_prompts(sample("color_change")) == []


def test_samples_whose_text_another_version_lacks_are_not_applicable_and_others_are_judged(tmp_path: Path) -> None:
    """As in RISEBench's own repository of before, which had no texts for spatial samples with a picture."""
    names = ("prompt_spatial_cons", "prompt_spatial_ref", "prompt_spatial_qual")
    write(tmp_path, "utils.py", "\n".join(f"{name} = '{name}'" for name in names))
    scorer = protocol_scorer("rise@2026-05", official_prompts=str(tmp_path))
    by_picture = sample("spatial_reasoning", reference=lazy(REFERENCE))
    assert "has no text prompt_spatial_ref_img" in str(scorer.inapplicable(by_picture))
    assert scorer.inapplicable(sample("spatial_reasoning", attributes={"reference": "so"})) is None


def test_the_hash_of_the_file_is_in_the_identity_and_its_path_is_not(tmp_path: Path) -> None:
    def identity(folder: str, text: str) -> dict[str, Any]:
        write(tmp_path / folder, "GEdit-Bench/viescore/vie_prompts.py", text)
        return protocol_scorer("gedit@2025-05", official_prompts=str(tmp_path / folder)).identity()

    assert identity("a", VIE) == identity("b", VIE)
    assert identity("a", VIE) != identity("b", VIE + "\n")
    assert str(tmp_path) not in json.dumps(identity("a", VIE))
    assert "official_prompts" not in protocol_scorer("gedit@2025-05").identity()["protocol"]


def test_the_key_of_a_verdict_does_not_say_where_the_checkout_lies(tmp_path: Path) -> None:
    keys = []
    for folder in ("a", "b"):
        write(tmp_path / folder, "GEdit-Bench/viescore/vie_prompts.py", VIE)
        scorer = protocol_scorer("gedit@2025-05", official_prompts=str(tmp_path / folder))
        keys.append(question_key(scorer.question(sample())))
    assert keys[0] == keys[1]
    assert keys[0] != question_key(protocol_scorer("gedit@2025-05").question(sample()))


def test_an_unknown_version_is_used_with_a_sentence_and_a_known_one_is_named(tmp_path: Path) -> None:
    write(tmp_path, "viescore/vie_prompts.py", VIE)
    unknown = read_official_prompts(tmp_path, GEdit.official)
    assert unknown.version.startswith("an unknown version")
    known = replace(GEdit.official, known={unknown.sha256: "2025-05-22"})
    assert read_official_prompts(tmp_path, known).version == "2025-05-22"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def (", "cannot be read"),
        ("x = 1", "holds no texts"),
        ("\0", "cannot be read"),
        ("(" * 99999, "cannot be read"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, "viescore/vie_prompts.py", text)
    with pytest.raises(ConfigError, match=told):
        prompts("gedit@2025-05", tmp_path)


@given(st.text())
def test_a_placeholder_is_replaced_by_the_instruction_as_it_stands(tmp_path_factory: Any, instruction: str) -> None:
    folder = write(tmp_path_factory.mktemp("checkout"), "prompts.py", "a = 'before {instruct} after'")
    files = OfficialFiles(("prompts.py",), {"instruction": "instruct"})
    found = read_official_prompts(folder, files).render(("a",), {"instruction": instruction, "other": "x"})
    assert found == f"before {instruction} after"


def test_rise_takes_the_text_that_fits_the_sample(tmp_path: Path) -> None:
    names = (
        *("prompt_consist", "prompt_reasoning", "prompt_reasoning_w_input", "prompt_generation", "prompt_spatial_cons"),
        *("prompt_spatial_ref", "prompt_spatial_ref_img", "prompt_spatial_ref_w_input", "prompt_spatial_qual"),
        *("prompt_logical_cons", "prompt_logical_cons_ans", "prompt_logical_txt", "prompt_logical_img"),
        "prompt_logical_img_wo_q",
    )
    write(tmp_path, "utils.py", "\n".join(f"{name} = '{name}'" for name in names))
    text, picture = {"reference": "so"}, {"reference": lazy(REFERENCE)}

    def asked(category: str, attributes: dict[str, str] | None = None, **changes: Any) -> list[str]:
        told = prompts("rise@2026-05", tmp_path, category, attributes=attributes or {}, **changes)
        return [prompt.text.removeprefix("prompt_") for prompt in told]

    assert asked("causal_reasoning", text) == ["consist", "reasoning", "generation"]
    assert asked("temporal_reasoning", {**text, "reasoning_img": "1"}) == ["consist", "reasoning_w_input", "generation"]
    assert asked("temporal_reasoning", {**text, "consistency_free": "1"}) == ["reasoning", "generation"]
    assert asked("spatial_reasoning", text) == ["spatial_cons", "spatial_ref", "spatial_qual"]
    assert asked("spatial_reasoning", {**text, "reasoning_img": "1"})[1] == "spatial_ref_w_input"
    assert asked("spatial_reasoning", **picture) == ["spatial_cons", "spatial_ref_img", "spatial_qual"]
    assert asked("logical_reasoning", {"reference_txt": "7"}) == ["logical_cons_ans", "logical_txt"]
    assert asked("logical_reasoning", **picture) == ["logical_cons", "logical_img"]
    assert asked("logical_reasoning", {"reasoning_wo_ins": "1"}, **picture) == ["logical_cons", "logical_img_wo_q"]
    published = protocol_scorer("rise@2026-05", official_prompts=str(tmp_path), as_published=True)
    for columns, expected in (((), "logical_img"), (("reasoning_wo_ins",), "logical_img_wo_q")):
        of = sample("logical_reasoning", attributes={"columns": columns}, **picture)
        assert [one.text.removeprefix("prompt_") for one in published.judge_prompts(of)] == ["logical_cons", expected]


@pytest.mark.parametrize(
    ("protocol", "file", "names", "of"),
    [
        ("rise@2026-05", "utils.py", ["prompt_generation"], {"category": "causal_reasoning"}),
        ("rise@2026-05", "utils.py", ["prompt_spatial_qual"], {"category": "spatial_reasoning"}),
        (
            *("rise@2026-05", "utils.py", ["prompt_logical_img_wo_q"]),
            {"category": "logical_reasoning", "attributes": {"reasoning_wo_ins": "1"}},
        ),
        ("uniredit@2026-08", "eval/utils.py", ["prompt_generation"], {"category": "Maze"}),
        (
            *("rationalrewards@2026-04", "train_qwen_edit_rationalrewards.py"),
            *(["SYSTEM_PROMPT", "COMMON_TASK_GUIDELINE"], {"category": "style"}),
        ),
    ],
)
def test_a_text_that_the_official_script_does_not_format_is_asked_as_it_stands(
    tmp_path: Path, protocol: str, file: str, names: list[str], of: dict[str, Any]
) -> None:
    """`str.format` would make one brace of two, and refuse a single one."""
    of = {"attributes": {"reference": "so"}, **of}
    if protocol != "rise@2026-05" or of["category"] == "logical_reasoning":
        of |= {"reference": lazy(REFERENCE)}
    others = (
        *("prompt_consist", "prompt_reasoning", "prompt_spatial_cons", "prompt_spatial_ref", "prompt_logical_cons"),
        *("prompt_logical_img", "prompt_reasoning_w_ref_image"),
    )
    texts = dict.fromkeys(others, "formatted") | {"TASK_RELATED_TEMPLATE": "{request} <image> <image>"}
    texts |= {name: "{ {{ X }} " + name for name in names}
    write(tmp_path, file, "\n".join(f"{name} = {text!r}" for name, text in texts.items()))
    asked = protocol_scorer(protocol, official_prompts=str(tmp_path)).judge_prompts(sample(**of))
    said = "\n".join(f"{prompt.system}\n{prompt.text}" for prompt in asked)
    assert all("{ {{ X }} " + name in said for name in names)


def test_complex_edit_reads_two_files_whose_hash_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "complex_edit" / "eval"
    write(folder, "prompt_alignment.py", "ALIGNMENT_PROMPT_W_RUBRIC = 'A {{}}'\nPROMPT_TEMPLATE = 'T {instruction}'")
    with pytest.raises(ConfigError, match=r"prompt_quality\.py"):
        prompts("complex-edit@2025-04", tmp_path)
    write(
        folder, "prompt_quality.py", "PERCEPTUAL_QUALITY_PROMPT_W_RUBRIC_WO_INST = 'Q {{}}'\nPROMPT_TEMPLATE = 'other'"
    )
    alignment, quality = prompts("complex-edit@2025-04", tmp_path)
    assert (alignment.system, alignment.text) == ("A {{}}\nReason first, and then score.", "T Make it blue.")
    assert (quality.system, quality.text) == ("Q {{}}", "")
    before = protocol_scorer("complex-edit@2025-04", official_prompts=str(tmp_path)).identity()
    write(folder, "prompt_quality.py", "PERCEPTUAL_QUALITY_PROMPT_W_RUBRIC_WO_INST = 'Q2'")
    assert protocol_scorer("complex-edit@2025-04", official_prompts=str(tmp_path)).identity() != before
