"""Noise that a pipeline would take from torch's global generators, taken from generators of the sample's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_noise(seed: int) -> Iterator[None]:
    """Lets every draw of this thread that names no generator come from private ones, one per device.

    The global generators belong to the process: other threads may draw from them meanwhile. They are neither read nor
    changed; the numbers are those that they would give after `torch.manual_seed(seed)`.

    Args:
        seed: Of the one sample that is edited in the block.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    drawing = _drawing_functions()
    generators: dict[torch.device, torch.Generator] = {}

    class Drawing(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if func in drawing and kwargs.get("generator") is None:
                place = _place(args, kwargs)
                if place not in generators:
                    generators[place] = torch.Generator(place).manual_seed(seed)
                kwargs["generator"] = generators[place]
            return func(*args, **kwargs)

    with Drawing():
        yield


def _drawing_functions() -> frozenset[Any]:
    """What takes a `generator`; dropout, which takes none, is off in a pipeline."""
    import torch

    factories = ("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like")
    of_both = ("bernoulli", "multinomial")
    in_place = ("normal_", "uniform_", "bernoulli_", "random_", "exponential_", "log_normal_", "cauchy_", "geometric_")
    return frozenset(
        [getattr(torch, name) for name in (*factories, "normal", *of_both)]
        + [getattr(torch.Tensor, name) for name in (*of_both, *in_place)]
    )


def _place(args: Any, kwargs: dict[str, Any]) -> Any:
    """The device that is drawn on: the one that is named, else that of the tensor, else the default one."""
    import torch

    if kwargs.get("device") is not None:
        named = torch.device(kwargs["device"])
        return torch.empty(0, device=named).device if named.index is None else named
    tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
    return next((tensor.device for tensor in tensors), torch.empty(0).device)
