"""The colours of the miniature world."""

from __future__ import annotations

from src.miniature.world.scene import Scene

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (216, 44, 46),
    "orange": (244, 140, 36),
    "yellow": (250, 216, 56),
    "green": (52, 164, 72),
    "blue": (44, 92, 216),
    "purple": (146, 66, 178),
    "white": (246, 246, 246),
    "black": (34, 34, 38),
}
"""The eight colours that instructions may name."""

SKIN: Rgb = (242, 202, 164)
WOOD: Rgb = (140, 92, 52)
DARK: Rgb = (58, 58, 66)
METAL: Rgb = (120, 124, 132)
SNOW: Rgb = (244, 247, 250)
WATER: Rgb = (86, 150, 206)
PUDDLE: Rgb = (110, 176, 232)
GLOW: Rgb = (255, 226, 110)
UNLIT: Rgb = (84, 84, 88)
FOG: Rgb = (222, 226, 230)
FOLIAGE: dict[str, Rgb] = {
    "spring": (246, 156, 196),
    "summer": (46, 134, 62),
    "autumn": (232, 130, 36),
    "winter": (110, 140, 120),
}

GROUNDS: dict[str, dict[str, Rgb]] = {
    "meadow": {"spring": (178, 216, 84), "summer": (132, 196, 96), "autumn": (206, 172, 84), "winter": SNOW},
    "sand": {"spring": (228, 206, 150), "summer": (228, 206, 150), "autumn": (206, 172, 84), "winter": SNOW},
    "lake": {"spring": (178, 216, 84), "summer": (132, 196, 96), "autumn": (206, 172, 84), "winter": SNOW},
    "street": {"spring": (186, 186, 182), "summer": (186, 186, 182), "autumn": (186, 186, 182), "winter": SNOW},
}
LAKES: dict[str, Rgb] = {
    "frozen": (236, 242, 248),
    "dry": (170, 128, 84),
    "green": (58, 128, 40),
    "black": COLOURS["black"],
}
"""Colours of a lake without open water."""
FLOOR: Rgb = (176, 134, 92)
WALLS: tuple[Rgb, ...] = ((222, 206, 176), (186, 208, 222), (204, 218, 190))
BOARDS: tuple[Rgb, ...] = ((204, 204, 198), (186, 208, 224), (230, 210, 176))
ROAD: Rgb = (96, 98, 104)

NIGHT_TONE = (0.36, 0.40, 0.58)
PLAIN_TONE = (1.0, 1.0, 1.0)


def sky_colour(scene: Scene) -> Rgb:
    """Return the colour of the sky."""
    if scene.time == "night":
        return (18, 24, 72)
    if scene.weather == "rain":
        return (136, 144, 154)
    if scene.weather == "storm":
        return (70, 76, 96)
    if scene.weather == "fog":
        return FOG
    if scene.weather == "snow":
        return (172, 182, 198)
    return (250, 150, 80) if scene.time == "sunset" else (138, 202, 246)


def tone(scene: Scene) -> tuple[float, float, float]:
    """Return the factors by which the scene's light multiplies the colours of everything that does not shine."""
    if scene.time == "night":
        return NIGHT_TONE
    if scene.weather == "rain":
        return (0.72, 0.75, 0.80)
    if scene.weather == "storm":
        return (0.50, 0.53, 0.62)
    return (0.98, 0.80, 0.66) if scene.time == "sunset" else PLAIN_TONE
