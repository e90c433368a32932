"""What diffusers offers beside the plain call: attention backends, caches and compiled blocks, and their pictures.

Caches are meant to change the picture: how far is measured here, on trained weights, and their speed at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from diffusers import FirstBlockCacheConfig, PyramidAttentionBroadcastConfig, TaylorSeerCacheConfig
from diffusers.models.attention_dispatch import AttentionBackendName, _check_attention_backend_requirements

from benchmarks.gpu.check import DoesNotApply, Finding, Setting, reason_of
from benchmarks.gpu.editing import ROUNDING, difference, edit, editor_on

NATIVE = AttentionBackendName.NATIVE
NOT_INSTALLED = "is not usable because"
"""What diffusers says of a backend whose package is missing."""
CANNOT = ("No viable backend", "No available kernel", "not supported", "out of memory")
"""What is said where a backend has no kernel for this GPU, none for a call with a mask, or takes more memory."""
OF_OTHER_MACHINES = (AttentionBackendName._NATIVE_NPU, AttentionBackendName._NATIVE_XLA)

Cache = Callable[[Any], Any]


@dataclass(frozen=True)
class CacheChoice:
    """A cache of diffusers.

    Attributes:
        name: Its class.
        config: Its settings for a pipeline, few enough to work within 8 steps.
        by_numbers: Whether what it skips depends on the values within the model, hence on trained weights.
    """

    name: str
    config: Cache
    by_numbers: bool


CACHES = (
    CacheChoice("FirstBlockCache", lambda pipe: FirstBlockCacheConfig(threshold=0.1), True),
    CacheChoice(
        "TaylorSeerCache", lambda pipe: TaylorSeerCacheConfig(cache_interval=2, disable_cache_before_step=2), False
    ),
    CacheChoice(
        "PyramidAttentionBroadcast",
        lambda pipe: PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(100, 950),
            current_timestep_callback=lambda: pipe._current_timestep,
        ),
        False,
    ),
)
"""MagCache needs ratios that were measured on the trained weights, FasterCache a guided batch of both halves and
SeaCache the number of the step, which this pipeline does not give them; TextKVCache is for another architecture."""


@contextmanager
def attention(pipe: Any, backend: AttentionBackendName) -> Iterator[None]:
    """The pipeline's transformer with a backend, and with torch's own again afterwards.

    Raises:
        DoesNotApply: the backend has no kernel for this machine or this call.
    """
    pipe.transformer.set_attention_backend(backend.value)
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if any(words in str(error) for words in CANNOT):
            raise DoesNotApply(reason_of(error)) from error
        raise
    finally:
        pipe.transformer.set_attention_backend(NATIVE.value)


@contextmanager
def cached(pipe: Any, choice: CacheChoice) -> Iterator[None]:
    """The pipeline's transformer with a cache, and without it afterwards."""
    pipe.transformer.enable_cache(choice.config(pipe))
    try:
        yield
    finally:
        pipe.transformer.disable_cache()


def backends() -> tuple[list[AttentionBackendName], list[Finding]]:
    """The backends that are installed, but for torch's own choice, and a finding that names the others."""
    there, missing = [], []
    for backend in AttentionBackendName:
        if backend in (NATIVE, *OF_OTHER_MACHINES):
            continue
        try:
            _check_attention_backend_requirements(backend)
        except RuntimeError as error:
            if NOT_INSTALLED not in str(error):
                raise
            missing.append(backend.value)
        else:
            there.append(backend)
    reason = f"their packages are not installed: {', '.join(missing)}"
    return there, [Finding("other attention backends", reason=reason, applies=False)] if missing else []


def tried(what: str, look: Callable[[], Finding]) -> Finding:
    """What was looked at, or why it could not be: one that fails leaves the others to be looked at."""
    try:
        return look()
    except DoesNotApply as error:
        return Finding(what, reason=str(error), applies=False)
    except Exception as error:  # a backend or a cache may fail in any way
        return Finding(what, reason=reason_of(error))


def attention_pictures(setting: Setting) -> list[Finding]:
    """The picture of each backend against that of torch's own choice, in bfloat16, which all of them can."""
    editor = editor_on(setting, dtype="bfloat16")
    wanted = edit(editor)

    def look(backend: AttentionBackendName) -> Finding:
        with attention(editor.pipe, backend):
            return difference(f"{backend.value} − native", edit(editor), wanted, ROUNDING["bfloat16"])

    there, missing = backends()
    return [tried(f"{one.value} − native", partial(look, one)) for one in there] + missing


def cache_pictures(setting: Setting) -> list[Finding]:
    """How far each cache moves the picture of the miniature editor."""
    editor = editor_on(setting, num_inference_steps=4 if setting.tiny else 8)
    wanted = edit(editor)

    def look(choice: CacheChoice) -> Finding:
        with cached(editor.pipe, choice):
            return difference(f"{choice.name} − none", edit(editor), wanted, None)

    return [tried(f"{one.name} − none", partial(look, one)) for one in CACHES]


def compiled_picture(setting: Setting) -> list[Finding]:
    """Compiled blocks make the picture of those that are not."""
    editor = editor_on(setting, dtype="bfloat16")
    wanted = edit(editor)
    compile_blocks(editor.pipe, setting)
    return [difference("compiled blocks − not compiled", edit(editor), wanted, ROUNDING["bfloat16"])]


def compile_blocks(pipe: Any, setting: Setting) -> None:
    """What the editor's `compile` does; cut down, without the compiler."""
    pipe.transformer.compile_repeated_blocks(**({"backend": "eager"} if setting.tiny else {}))
