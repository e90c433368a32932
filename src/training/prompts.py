"""The rows that TRL draws: conversations, with the images decoded when they are drawn."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from src.models.plain_text import PlainText
from src.training.tasks.example import Example

if TYPE_CHECKING:
    from datasets import Dataset

DECODED = 64
"""Number of decoded images that are kept: the completions of one prompt draw the same row one after the other."""


def prompt_rows(
    examples: Sequence[Example],
    image_max_side: int | None,
    plain: PlainText,
    view: Callable[[Image.Image], Image.Image] = lambda image: image,
) -> Dataset:
    """Returns one row for each example: `prompt` (conversation), `example_id`, and `images` (decoded, in order).

    TRL passes all but the prompt on to the reward function, and shows the images before the user's text. Prompts are
    never truncated: TRL 1.16 has no setting for it, and cut image tokens would no longer fit their features.

    Args:
        examples: The examples, in the order of the rows.
        image_max_side: The longest side of an image in pixels; larger ones are scaled down. None scales none.
        plain: Keeps what looks like a special token of the policy a text.
        view: Makes of a scaled image the one that the policy sees.
    """
    from datasets import Dataset

    by_id = {example.example_id: example for example in examples}

    @functools.lru_cache(DECODED)
    def picture(name: str, place: int) -> Image.Image:
        return view(_scaled(by_id[name].images[place].decode(), image_max_side))

    def with_images(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        names = rows["example_id"]
        images = [[picture(name, place) for place in range(len(by_id[name].images))] for name in names]
        return {**rows, "images": images}

    rows = {
        "prompt": [_conversation(example, plain) for example in examples],
        "example_id": [example.example_id for example in examples],
    }
    return Dataset.from_dict(rows).with_transform(with_images)


def _conversation(example: Example, plain: PlainText) -> list[dict[str, str]]:
    system = [{"role": "system", "content": plain(example.system)}] if example.system else []
    return [*system, {"role": "user", "content": plain(example.user)}]


def _scaled(image: Image.Image, max_side: int | None) -> Image.Image:
    """Scales an image as the benchmark's `RewriteEditor` does before a trained policy sees it."""
    if max_side is not None:
        image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return image


def run_order(examples: int, drawn: int, seed: int) -> list[int]:
    """Returns for each of the `drawn` prompts of a run the index of its example, one shuffled epoch after the other.

    The run is laid out as one long epoch. TRL's own sampler would start again with the order of the first epoch when a
    later one is resumed, since its generator is not part of a checkpoint.
    """
    order: list[int] = []
    epoch = 0
    while len(order) < drawn:
        shuffled = list(range(examples))
        random.Random(f"{seed} {epoch}").shuffle(shuffled)
        order += shuffled
        epoch += 1
    return order[:drawn]
