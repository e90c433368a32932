from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from src.errors import ConfigError
from src.yaml_text import parse_yaml

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.text(st.characters(codec="ascii")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
BOMB = "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)
])  # fmt: skip
MERGES = "\n".join(["a0: &a0 {x: 1}"] + [
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)
])  # fmt: skip


@given(VALUES)
def test_what_was_written_is_read(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value), "x") == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a [*a]", "contains itself"),
        ("a: &a {b: *a}", "contains itself"),
        ("[" * 500, "nested deeper"),
        ("{a: " * 500, "nested deeper"),
        ("- " * 500, "nested deeper"),
        ("a: !!int abc", "cannot be read"),
        ("a: !!timestamp 2024-13-45", "cannot be read"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: !!float x", "cannot be read"),
        ("? [a, b]\n: c", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ('a: "\\ud800"', "surrogate"),
        ("a: .nan", "no number"),
        ("a: [1, -.inf]", "no number"),
        ("a: b: c", "not valid YAML"),
        ("a: !!bool abc", "cannot be read"),
        ("a: !!binary '***'", "not valid YAML|cannot be read|bytes"),
        ("a: !!binary aGk=", "holds a bytes"),
        ("a: !!set {1, 2}", "holds a set"),
        ("a: 0x" + "f" * 5000, "bits"),
        (MERGES, "merges written out"),
        (BOMB, "more than 100,000 values"),
        ("x" * (2 * 2**20), "above the limit"),
    ],
)
def test_yaml_that_python_cannot_hold_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_yaml(text, "run.yaml")


def test_an_impossible_date_is_a_text_like_every_date() -> None:
    assert parse_yaml("[2024-13-45, 2024-01-02]", "x") == ["2024-13-45", "2024-01-02"]


def test_aliases_within_bounds_are_written_out() -> None:
    assert parse_yaml("a: &a {b: 1}\nc: *a", "x") == {"a": {"b": 1}, "c": {"b": 1}}


@given(st.text(alphabet=st.sampled_from("[]{}&*!:-,#|>'\"%@ab0 \n"), max_size=60))
def test_no_text_however_odd_ends_in_anything_but_a_value_or_a_config_error(text: str) -> None:
    try:
        parse_yaml(text, "x")
    except ConfigError as error:
        message = str(error)
        assert message.startswith("x ")
