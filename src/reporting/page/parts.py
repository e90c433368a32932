"""A page with very many cards: the page has an index of them, and files beside it have the cards, some in each.

The page's script loads such a file when one of its cards comes into sight. The index has what filters, orders and the
search look at, so that these ask for no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from src.reporting.page.model import Card, ManyCards
from src.reporting.page.plain import Once, json_text, plain

CARDS_A_PART = 32
"""Cards in one file. Sorted cards lie in as many files as there are cards in sight: small files are read at once."""
INDEX_BLOCK = 1000
"""Cards in one data block of the index."""
SEARCHED = 200
"""Characters of a text that the search of the page finds."""
_TOLD = ("id", "category", "difficulty", "tags", "difference")
_OUTCOME = ("name", "status", "score", "edit_seconds", "judge_seconds", "disagreement", "beside")


@dataclass(frozen=True)
class Parts:
    """What a page says of its files."""

    data: dict[str, Any]
    """Where the files are, and what all cards have in common."""
    index: list[bytes]
    """JSON of what the index says of each card, in the order in which they are shown."""

    def blocks(self) -> Iterator[str]:
        """Yields the index in blocks of JSON."""
        for start in range(0, len(self.index), INDEX_BLOCK):
            yield f"[{b','.join(self.index[start : start + INDEX_BLOCK]).decode()}]"


def write_parts(many: ManyCards, page: Path) -> Parts:
    """Writes the files of a page into a folder beside it.

    Args:
        many: The cards.
        page: Where the page will lie.

    Raises:
        OSError: a file cannot be written.
    """
    folder = page.with_name(f"{page.stem}_samples")
    folder.mkdir(exist_ok=True)
    places = {card_id: place for place, card_id in enumerate(many.ids)}
    index = [b""] * len(many.ids)
    pictures, labels = 1, {}
    for number, cards in enumerate(_batches(many.cards)):
        once = Once()
        shown = [plain(card, once) for card in cards]
        for slot, (card, data) in enumerate(zip(cards, shown, strict=True)):
            told = _indexed(data) | {"at": number * CARDS_A_PART + slot}
            index[places[card.id]] = json_text(told).encode("utf-8", "backslashreplace")
            labels[card.category] = card.category_label
            pictures = max(pictures, _pictures(card))
        part = json_text({"cards": shown, "thumbnails": once.thumbnails, "lines": list(once.lines)})
        text = f"editloopPart({number}, {json_text(part)});\n"
        (folder / f"{number}.js").write_text(text, encoding="utf-8", errors="backslashreplace")
    data = {"folder": f"./{quote(folder.name)}/", "size": CARDS_A_PART, "pictures": pictures, "labels": labels}
    return Parts(data, index)


def _batches(cards: Iterable[Card]) -> Iterator[Sequence[Card]]:
    rest = iter(cards)
    while batch := list(islice(rest, CARDS_A_PART)):
        yield batch


def _pictures(card: Card) -> int:
    return len(card.inputs) + sum(one.picture is not None for one in card.outcomes) + (card.reference is not None)


def _indexed(card: Mapping[str, Any]) -> dict[str, Any]:
    """What the index says of a card, under the names of the card's own fields."""
    told = {name: card[name] for name in _TOLD if name in card}
    if "instruction" in card:
        told["instruction"] = {language: text[:SEARCHED] for language, text in card["instruction"].items()}
    outcomes = [{name: one[name] for name in _OUTCOME if name in one} for one in card.get("outcomes", ())]
    return told | ({"outcomes": outcomes} if outcomes else {})
