"""What a page is made of. Builders fill these classes; `render.py` turns a `Page` into one HTML file.

Every text may come from data or from a model: the template escapes it, and the page's script only ever sets it as text.
Texts of the page's own are `Word`s, which the reader sees in English or Chinese.

The page holds its cards as JSON, one object a `Card`, with the field names of the classes below. Fields that are empty
are left out, a `Word` is `{"word": key}`, and `thumbnail` is a number in the page's list of thumbnails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


class Word(str):
    """A key of `assets/words.json`, which the page shows in the reader's language."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a card: its thumbnail is inside the page, the full picture lies beside it; either may be all."""

    label: str
    """What the picture is: a `Word` (`source`, `edited`, `reference` …), or a name such as that of an editor."""
    thumbnail: str = ""
    """Data URI; empty where there is no picture, or the full one is shown small as well."""
    full: str = ""
    """URL of the full picture relative to the page; empty where the thumbnail is the whole picture."""
    size: tuple[int, int] | None = None
    """Width and height of the full picture in pixels."""
    missing: str = ""
    """Why there is no picture."""
    place: int | None = None
    """Which of several pictures with this label it is, from 1; None where there is one."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """One of several judgements of one edit."""

    status: str
    score: float | None = None
    """0–10; None for every status but `scored`."""
    dimensions: Mapping[str, float | None] = field(default_factory=dict)
    reason: str = ""
    """Why there is no score."""
    replies: Sequence[str] = ()
    """The judge's raw replies."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one editor (or one completion of a policy) made of a card's task, and what was said of it."""

    name: str = ""
    """Whose it is, where a card has several: an editor's name or a completion's number."""
    picture: Picture | None = None
    status: str = "unfinished"
    """A `Status`, or `unfinished`, or `masked` (a completion without a reward)."""
    score: float | None = None
    """0–10; None for every status but `scored`."""
    dimensions: Mapping[str, float | None] = field(default_factory=dict)
    disagreement: float | None = None
    """Standard deviation of the scores of repeated judgements; None where fewer than two have a score."""
    reason: str = ""
    """Why there is no score."""
    text: str = ""
    """The completion that asked for the edit, in trainings."""
    reading: str = ""
    """The instruction that was read from the completion."""
    replies: Sequence[str] = ()
    """The judge's raw replies, where `repeats` do not tell them."""
    repeats: Sequence[Repeat] = ()
    """Each judgement, where there were several."""
    prompts: Sequence[Sequence[str]] = ()
    """The prompts as the judge got them, where the record has them: their texts in order, and a `Word` for whatever is
    no text. The page holds each of their lines once, as a number in its list of lines."""
    edit_seconds: float | None = None
    judge_seconds: float | None = None
    beside: bool = False
    """Whether it is of another run than the page: no filter looks at it, and no order but that by the difference."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further facts by name, such as seed and keys."""


@dataclass(frozen=True, slots=True)
class Card:
    """One sample: what was asked for, the pictures, and one outcome or several side by side."""

    id: str
    """Unique in the page; `#id` in the page's address opens the card."""
    category: str = ""
    category_label: str = ""
    """The category with its English name."""
    difficulty: str = ""
    tags: Sequence[str] = ()
    instruction: Mapping[str, str] = field(default_factory=dict)
    """The instruction by language, `en` or `zh`."""
    description: str = ""
    inputs: Sequence[Picture] = ()
    """The source, or several of them in their order."""
    reference: Picture | None = None
    outcomes: Sequence[Outcome] = ()
    difference: float | None = None
    """Score of the last outcome minus that of the first, or whatever a comparison sorts by."""


@dataclass(frozen=True, slots=True)
class ManyCards:
    """Cards that one file should not hold: `parts.py` writes them into files beside the page."""

    ids: Sequence[str]
    """The ids of all cards, in the order in which they are shown."""
    cards: Iterable[Card]
    """The cards in any order; few are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One point of a chart with its interval."""

    mean: float | None
    interval: tuple[float, float] | None = None
    note: str = ""
    """Shown beside it, such as `20/20`."""


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One row of a chart: a group of samples, with one mark for each series (None where it has none)."""

    label: str
    marks: Sequence[Mark | None]
    filters: Mapping[str, str] = field(default_factory=dict)
    """Which filter of the gallery a click sets, such as `{"category": "物理"}`."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Means with error bars on one scale; with three rows or more also as a radar."""

    title: str
    rows: Sequence[ChartRow]
    series: Sequence[str] = ("",)
    """Names of the series; one without a name where there is one."""
    scale: tuple[float, float] = (0.0, 10.0)


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads to a card of this page, or (with `url`, relative to the page) to another page."""

    text: str
    card: str = ""
    url: str = ""


Cell = str | Link | Sequence[Link]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the summary. Rows shorter than the columns are not padded."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    numeric: int = 0
    """How many of the last columns hold figures, which stand on the right."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One large figure at the head of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page, without its thumbnails' order or its hashes, which `render_page` adds."""

    title: str
    """Title of the page and of its window, as a `Word` or a text."""
    subtitle: str = ""
    notices: Sequence[str] = ()
    """What the reader must know first, such as a run that is not finished."""
    tiles: Sequence[Tile] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    """Long texts by title (a `Word` or text), folded away, such as the judge's identity."""
    cards: Sequence[Card] = ()
    many: ManyCards | None = None
    """The cards in place of `cards`, where they are more than one file should hold; see `gallery.py`."""
    language: str = "en"
    """The language in which the page opens, until its reader chooses: `en` or `zh`."""
