"""Qwen-Image-Edit at full size with random weights, by the code of `benchmarks.qwen_full_size`, in few steps."""

from __future__ import annotations

import functools
from functools import partial

import torch
from diffusers.models.attention_dispatch import AttentionBackendName

from benchmarks.gpu.check import Finding, Setting
from benchmarks.gpu.variants import CACHES, CacheChoice, attention, backends, cached, compile_blocks, tried
from benchmarks.qwen_full_size import (
    SIZES,
    Cost,
    Point,
    RandomQwenImageEdit,
    described,
    edit_cost,
    fitting,
    random_editor,
    stock_cost,
)
from src.models.diffusion.condition_size import STOCK_AREA

STEPS = 4
NOT_SLOWER = 0.97
"""Times stock: at stock's own sizes our call does the same work, and clocks differ by a few percent."""
NOT_LARGER = 1.02
GUIDED, UNGUIDED = 4.0, 1.0
STOCK_SIDE = int(STOCK_AREA**0.5)


@functools.cache
def editor(setting: Setting) -> RandomQwenImageEdit:
    """The editor, loaded by the first check of the process, in as many layers as the GPU holds."""
    if setting.tiny:
        return random_editor(SIZES["tiny"], setting.device)
    return random_editor(fitting(SIZES["full"], torch.cuda.mem_get_info()[0] / 2**30), setting.device)


def qwen_512_guided(setting: Setting) -> list[Finding]:
    """512/512 with guidance."""
    return _against_stock(setting, 512, GUIDED)


def qwen_512_unguided(setting: Setting) -> list[Finding]:
    """512/512 without guidance."""
    return _against_stock(setting, 512, UNGUIDED)


def qwen_1024_guided(setting: Setting) -> list[Finding]:
    """1024/1024 with guidance."""
    return _against_stock(setting, 1024, GUIDED)


def qwen_1024_unguided(setting: Setting) -> list[Finding]:
    """1024/1024 without guidance."""
    return _against_stock(setting, 1024, UNGUIDED)


def _against_stock(setting: Setting, side: int, guidance: float) -> list[Finding]:
    """Our call with a batch of 1 and of 4, beside the stock call, which encodes the source at a megapixel."""
    model = editor(setting)
    points = [_point(setting, side, guidance, batch) for batch in (1, 4)]
    stock: list[Cost] = []

    def look(point: Point) -> Finding:
        if not stock:
            stock.append(stock_cost(model, point, warm=not setting.tiny))
        cost = edit_cost(model, point)
        each, bound = cost.seconds / point.batch, NOT_LARGER * stock[0].gib
        faster = stock[0].seconds / each
        holds = setting.tiny or (faster >= NOT_SLOWER and (point.batch > 1 or cost.gib <= bound))
        return Finding(
            named(point, model),
            f"{_costs(each, cost.gib)}; stock {_costs(stock[0].seconds, stock[0].gib)}; × {faster:.2f}",
            f"≥ {NOT_SLOWER} × stock" + (f", ≤ {bound:.1f} GiB" if point.batch == 1 else ""),
            holds,
            {
                "seconds_per_edit": each,
                "peak_gib": cost.gib,
                "stock_seconds": stock[0].seconds,
                "stock_gib": stock[0].gib,
                "times_faster": faster,
            },
        )

    return [tried(named(point, model), partial(look, point)) for point in points]


def qwen_attention(setting: Setting) -> list[Finding]:
    """Seconds of an edit at 1024, where attention weighs most, for each backend that is installed.

    Not flex: diffusers does not compile it, and then it holds all scores in memory at once.
    """
    model = editor(setting)
    point = _point(setting, 1024, UNGUIDED, 1, steps=2)
    plain = edit_cost(model, point)

    def look(backend: AttentionBackendName) -> Finding:
        with attention(model.pipe, backend):
            return _beside(f"{backend.value}, {named(point, model)}", edit_cost(model, point), plain)

    there, missing = backends()
    chosen = [backend for backend in there if backend is not AttentionBackendName.FLEX]
    return [tried(f"{one.value}, {named(point, model)}", partial(look, one)) for one in chosen] + missing


def qwen_caches(setting: Setting) -> list[Finding]:
    """Seconds of an edit at 512 for each cache; what those skip that look at the numbers depends on the weights."""
    model = editor(setting)
    point = _point(setting, 512, UNGUIDED, 1, steps=2 * STEPS)
    plain = edit_cost(model, point)

    def look(choice: CacheChoice) -> Finding:
        with cached(model.pipe, choice):
            return _beside(_cache_named(choice, point, model), edit_cost(model, point), plain)

    return [tried(_cache_named(one, point, model), partial(look, one)) for one in CACHES]


def _cache_named(choice: CacheChoice, point: Point, model: RandomQwenImageEdit) -> str:
    by_numbers = " (skips by the numbers: with trained weights it may skip more or less)" if choice.by_numbers else ""
    return f"{choice.name}{by_numbers}, {named(point, model)}"


def qwen_compiled(setting: Setting) -> list[Finding]:
    """Seconds of an edit at 512 with compiled blocks, and of the first one, which compiles; no check comes after."""
    model = editor(setting)
    point = _point(setting, 512, UNGUIDED, 1)
    plain = edit_cost(model, point)
    compile_blocks(model.pipe, setting)
    first = edit_cost(model, point, warm=False)
    further = _beside(f"compiled, {named(point, model)}", edit_cost(model, point), plain)
    faster = further.figures["times_faster"]
    return [
        Finding("the first edit with compiled blocks", f"{first.seconds:.1f} s", figures={"seconds": first.seconds}),
        Finding(further.what, further.measured, "≥ 1 × plain", setting.tiny or faster >= 1, further.figures),
    ]


def _beside(what: str, cost: Cost, plain: Cost) -> Finding:
    faster = plain.seconds / cost.seconds
    measured = f"{_costs(cost.seconds, cost.gib)}; plain {_costs(plain.seconds, plain.gib)}; × {faster:.2f}"
    figures = {"seconds_per_edit": cost.seconds, "peak_gib": cost.gib, "times_faster": faster}
    return Finding(what, measured, figures=figures | {"plain_seconds": plain.seconds, "plain_gib": plain.gib})


def _costs(seconds: float, gib: float) -> str:
    return f"{seconds:.2f} s, {gib:.1f} GiB"


def _point(setting: Setting, side: int, guidance: float, batch: int, steps: int = STEPS) -> Point:
    """Output and condition at a side; cut down, at the smallest picture."""
    if setting.tiny:
        return Point(64, 64, 2, guidance, min(batch, 2))
    return Point(side, min(side, STOCK_SIDE), steps, guidance, batch)


def named(point: Point, model: RandomQwenImageEdit) -> str:
    """A point in words, with the depth of a model that is not the published one."""
    guidance = f"guidance {point.guidance:g}" if point.guidance > 1 else "no guidance"
    depth = described(model.size)
    reduced = "" if depth == "full size" else f", {depth}"
    return f"{point.side}/{point.condition}, batch {point.batch}, {guidance}, {point.steps} steps{reduced}"
