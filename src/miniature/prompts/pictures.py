"""The pictures that prompts ask for: one exact scene for each content, and the knowledge graph of what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from src.data.knowledge_graph import Dependency, KnowledgeGraph
from src.miniature.prompts.concepts import HUES, KINDS, LOOKS
from src.miniature.world.scene import Scene, Side, Thing

Place = Literal["meadow", "lake"]
PLACES: tuple[Place, ...] = ("meadow", "lake")
SIZES = {"house": 16, "ball": 13, "box": 13, "car": 18}
"""Widths in pixels."""
LEFT_X, TREE_X, RIGHT_X = 11, 28, 46
SIDES: tuple[Side, ...] = ("left", "right")


@dataclass(frozen=True)
class Content:
    """Everything that a prompt decides.

    Attributes:
        place: Where it is.
        look: One of `LOOKS`.
        kind: What stands there besides the tree.
        colour: Its colour.
        side: On which side of the tree it stands.
    """

    place: Place
    look: str
    kind: str
    colour: str
    side: Side


def thing(place: str, x: float, kind: str, colour: str) -> Thing:
    """A thing where the scenes of a place have it."""
    return Thing(kind, colour, x, 38 if place == "lake" else 56, SIZES[kind])


def tree(place: str) -> Thing:
    """The tree of a place."""
    return Thing("tree", "green", TREE_X, 38, 14) if place == "lake" else Thing("tree", "green", TREE_X, 48, 17)


def scene_of(content: Content) -> Scene:
    """The one scene of a content: in winter a lake is frozen, and sun and moon are on the right."""
    look = LOOKS[content.look]
    x = LEFT_X if content.side == "left" else RIGHT_X
    return Scene(
        content.place,
        (tree(content.place), thing(content.place, x, content.kind, content.colour)),
        horizon=34 if content.place == "lake" else 38,
        time=look.time,
        weather=look.weather,
        season=look.season,
        water="frozen" if content.place == "lake" and look.season == "winter" else "open",
        sun="right" if look.sky else None,
    )


def _sun_shines(scene: Scene) -> bool:
    return scene.sun is not None and scene.weather == "clear"


def _has_house(scene: Scene) -> bool:
    return any(thing.kind == "house" for thing in scene.things)


def _white(scene: Scene) -> bool:
    return scene.season == "winter" or scene.weather == "snow"


SIGNS: dict[str, Callable[[Scene], bool]] = {
    "meadow": lambda scene: scene.backdrop == "meadow",
    "lake": lambda scene: scene.backdrop == "lake",
    "pink blossoms": lambda scene: scene.season == "spring" and scene.weather != "snow",
    "green leaves": lambda scene: scene.season == "summer" and scene.weather != "snow",
    "orange leaves": lambda scene: scene.season == "autumn" and scene.weather != "snow",
    "snow on the tree": _white,
    "snow on the ground": lambda scene: scene.season == "winter",
    "snow on the roof": lambda scene: _white(scene) and _has_house(scene),
    "blue sky": lambda scene: scene.weather == "clear" and scene.time == "day",
    "evening sky": lambda scene: scene.weather == "clear" and scene.time == "sunset",
    "night sky": lambda scene: scene.time == "night",
    "falling snow": lambda scene: scene.weather == "snow",
    "falling rain": lambda scene: scene.weather in ("rain", "storm"),
    "lightning": lambda scene: scene.weather == "storm",
    "fog": lambda scene: scene.weather == "fog",
    "sun": lambda scene: _sun_shines(scene) and scene.time == "day",
    "setting sun": lambda scene: _sun_shines(scene) and scene.time == "sunset",
    "moon": lambda scene: _sun_shines(scene) and scene.time == "night",
    "shadows": lambda scene: _sun_shines(scene) and scene.time != "night",
    "lit windows": lambda scene: scene.time == "night" and _has_house(scene),
    "puddles": lambda scene: scene.weather in ("rain", "storm") and scene.backdrop == "meadow",
    "mirror image in the water": lambda scene: scene.backdrop == "lake" and scene.water == "open",
    "ice on the water": lambda scene: scene.backdrop == "lake" and scene.water == "frozen",
}
"""What a scene may show besides its things, each as a fact of the scene."""

TREE = "tree"
_CAUSES = (
    ("sun", "shadows"),
    ("setting sun", "shadows"),
    ("night sky", "lit windows"),
    ("falling rain", "puddles"),
    ("lightning", "falling rain"),
    ("falling snow", "snow on the ground"),
    ("snow on the ground", "ice on the water"),
    ("lake", "mirror image in the water"),
)


def shown(scene: Scene) -> tuple[str, ...]:
    """Every element that a scene shows: signs, the tree, kinds, and colours."""
    elements = [name for name, holds in SIGNS.items() if holds(scene)]
    things = [one for one in scene.things if one.kind != "tree"]
    return tuple(dict.fromkeys((*elements, TREE, *(one.kind for one in things), *(one.colour for one in things))))


def relations(scene: Scene) -> frozenset[Dependency]:
    """Every dependency that a scene shows: what causes what, which colour is whose, and what is beside the tree."""
    elements = set(shown(scene))
    found = {Dependency(one, "Causes", other) for one, other in _CAUSES if {one, other} <= elements}
    for one in scene.things:
        if one.kind != "tree":
            found.add(Dependency(one.kind, "HasColour", one.colour))
            found.add(Dependency(one.kind, "LeftOf" if one.x < TREE_X else "RightOf", TREE))
    return frozenset(found)


def graph_of(content: Content) -> KnowledgeGraph:
    """What a right picture shows: all that its scene shows."""
    scene = scene_of(content)
    order = sorted(relations(scene), key=lambda one: (one.relation, one.source, one.target))
    return KnowledgeGraph(shown(scene), tuple(order))


def nameable() -> frozenset[str]:
    """Every element that a graph of this world can have."""
    return frozenset((*SIGNS, TREE, *KINDS, *HUES))
