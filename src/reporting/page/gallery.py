"""Whether the cards of a page are inside its file or in files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from src.reporting.page.model import Card, ManyCards
from src.reporting.page.plain import Once, json_text, plain

IN_ONE_FILE = 10_000
"""The most cards of a page that is one file."""
ONE_FILE_BYTES = 64_000_000
"""The most bytes that the cards of such a page take, with their thumbnails and prompts."""


def are_many(ids: Sequence[str]) -> bool:
    """Whether cards of these ids are more than one file should hold, whatever they say."""
    return len(ids) > IN_ONE_FILE


def gallery(ids: Sequence[str], cards: Iterable[Card]) -> dict[str, Any]:
    """The cards of a page as fields of `Page`.

    Args:
        ids: The ids of all cards, in the order in which they are shown.
        cards: The cards in any order.
    """
    if are_many(ids):
        return {"many": ManyCards(ids, cards)}
    held: list[Card] = []
    size, once, rest = 0, Once(), iter(cards)
    for card in rest:
        held.append(card)
        size += _bytes(card, once)
        if size > ONE_FILE_BYTES:
            return {"many": ManyCards(ids, chain(held, rest))}
    places = {card_id: place for place, card_id in enumerate(ids)}
    return {"cards": sorted(held, key=lambda card: places[card.id])}


def _bytes(card: Card, once: Once) -> int:
    """What a card adds to the bytes of a page that holds the cards before it."""
    thumbnails, lines = len(once.thumbnails), len(once.lines)
    texts = [json_text(plain(card, once))]
    texts += map(json_text, once.thumbnails[thumbnails:])
    texts += map(json_text, islice(reversed(once.lines), len(once.lines) - lines))
    return sum(len(text.encode("utf-8", "backslashreplace")) + 1 for text in texts)
