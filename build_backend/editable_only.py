"""setuptools without wheels and source archives, which would miss the prompts, weights and configs beside `src`."""

from __future__ import annotations

from typing import Any, NoReturn

from setuptools import build_meta

build_editable = build_meta.build_editable
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable


def build_wheel(*arguments: Any, **settings: Any) -> NoReturn:
    """Refuses."""
    raise SystemExit("EditLoop runs from its checkout: install it by `pip install -e .` there")


build_sdist = build_wheel
