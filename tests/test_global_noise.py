"""Draws that name no generator come from the sample's own, whoever else draws in the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch

from src.models.diffusion.global_noise import own_noise

DRAWS: dict[str, Callable[[], Any]] = {
    "randn": lambda: torch.randn(4),
    "randn of a given generator that is None": lambda: torch.randn((4,), generator=None, device="cpu"),
    "rand": lambda: torch.rand(4),
    "randint": lambda: torch.randint(0, 1000, (4,)),
    "randperm": lambda: torch.randperm(50),
    "randn_like": lambda: torch.randn_like(torch.zeros(4)),
    "rand_like": lambda: torch.rand_like(torch.zeros(4)),
    "normal": lambda: torch.normal(torch.zeros(4), torch.ones(4)),
    "normal_": lambda: torch.zeros(4).normal_(),
    "uniform_": lambda: torch.zeros(4).uniform_(),
    "bernoulli": lambda: torch.bernoulli(torch.full((40,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(50), 40),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_a_draw_follows_the_seed_and_leaves_the_global_generator_alone(draw: Callable[[], Any]) -> None:
    drawn = []
    for seed in (5, 5, 6):
        before = torch.get_rng_state()
        with own_noise(seed):
            drawn.append((draw(), draw()))
        assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = draw(), draw()
    assert all(torch.equal(*pair) for pair in zip(drawn[0], expected, strict=True))
    assert all(torch.equal(*pair) for pair in zip(drawn[0], drawn[1], strict=True))
    assert not torch.equal(drawn[0][0], drawn[2][0])
    assert not torch.equal(*drawn[0])


def test_a_generator_that_is_named_is_drawn_from() -> None:
    expected = torch.randn(4, generator=torch.Generator().manual_seed(1))
    with own_noise(5):
        assert torch.equal(torch.randn(4, generator=torch.Generator().manual_seed(1)), expected)


def test_threads_that_draw_at_the_same_time_change_nothing_for_each_other() -> None:
    turn = threading.Barrier(3, timeout=10)
    drawn: dict[str, list[Any]] = {}

    def replica(name: str, seed: int) -> None:
        with own_noise(seed):
            drawn[name] = [(turn.wait(), torch.randn(2))[1] for _ in range(4)]

    def policy() -> None:
        drawn["policy"] = [(turn.wait(), torch.randn(2))[1] for _ in range(4)]

    with torch.random.fork_rng():
        torch.manual_seed(3)
        threads = [threading.Thread(target=replica, args=pair) for pair in (("a", 5), ("b", 6))]
        threads.append(threading.Thread(target=policy))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, seed in (("a", 5), ("b", 6), ("policy", 3)):
            torch.manual_seed(seed)
            assert torch.equal(torch.stack(drawn[name]), torch.stack([torch.randn(2) for _ in range(4)]))
