"""Two flags, each at the top, in the middle or at the bottom of its pole."""

from __future__ import annotations

import random

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, fill
from src.miniature.world.scene import Scene, Side, Thing

_SIDES: tuple[Side, ...] = ("left", "right")
_LEVELS = {
    "top": Words("at the top", "顶端"),
    "half": Words("in the middle", "中间"),
    "bottom": Words("at the bottom", "底部"),
}
_FLAG_COLOURS = tuple(name for name in sorted(COLOURS) if name not in ("white", "black"))

_DESCRIPTION = Words(
    "Two flags: the {left} one on the left {left_level} of its pole, the {right} one on the right {right_level}.",
    "两面旗：左边{left}的旗在旗杆{left_level}，右边{right}的旗在旗杆{right_level}。",
)
_EXPLICIT = (
    Words("Move the {colour} flag to the {level} of its pole.", "把{colour}的旗移到旗杆{level}。"),
    Words("Draw the {colour} flag at the {level} of the {side} pole.", "把{colour}的旗画在{side}边旗杆的{level}。"),
    Words(
        "Remove the flag on the {side} and draw it {colour} at the {level}.",
        "去掉{side}边的旗，在{level}画{colour}的旗。",
    ),
    Words("Put the flag on the {side} at the {level} of the pole.", "把{side}边的旗放到旗杆{level}。"),
)
_NOUNS = {"top": Words("top", "顶端"), "half": Words("middle", "中间"), "bottom": Words("bottom", "底部")}

_TOP = (
    Reason(
        "flag_occasion",
        Words("A flag flies at the top of its pole on days of joy.", "喜庆的日子，旗升到旗杆顶端。"),
        medium=(
            Words("Raise the {colour} flag fully.", "把{colour}的旗完全升起。"),
            Words("Fly the {colour} flag at full mast.", "让{colour}的旗升满杆。"),
            Words("Hoist the {colour} flag all the way.", "把{colour}的旗一直升到头。"),
            Words("Let the {colour} flag fly as high as possible.", "让{colour}的旗飘得尽量高。"),
        ),
        hard=(
            Words("The country of the {colour} flag celebrates its national holiday.", "{colour}旗的国家庆祝国庆节。"),
            Words("A king is crowned in the country of the {colour} flag.", "{colour}旗的国家新国王加冕。"),
            Words("The country of the {colour} flag receives a guest of honour.", "{colour}旗的国家迎接贵宾。"),
            Words("Peace is declared in the country of the {colour} flag.", "{colour}旗的国家宣布和平。"),
        ),
    ),
    Reason(
        "flag_news",
        Words("A flag is hoisted to the top when its people win.", "获胜时，旗帜升到顶端。"),
        medium=(
            Words("The {colour} flag rises up to the very end.", "{colour}的旗一路升到最高处。"),
            Words("Pull the {colour} flag up completely.", "把{colour}的旗全部拉上去。"),
            Words("Show the {colour} flag fully hoisted.", "展示{colour}的旗升满的样子。"),
            Words("The {colour} flag goes up to its highest position.", "{colour}的旗升到最高的位置。"),
        ),
        hard=(
            Words("The team of the {colour} flag has won the gold medal.", "{colour}旗的队伍赢得了金牌。"),
            Words("The anthem for the winner under the {colour} flag is played.", "为{colour}旗的冠军奏起国歌。"),
            Words("The team of the {colour} flag becomes world champion.", "{colour}旗的球队成了世界冠军。"),
            Words("The people of the {colour} flag cheer for a great victory.", "{colour}旗的人民为大胜利欢呼。"),
        ),
    ),
)
_HALF = (
    Reason(
        "flag_occasion",
        Words("A flag at half-mast is a sign of mourning.", "降半旗表示哀悼。"),
        medium=(
            Words("Set the {colour} flag to half-mast.", "把{colour}的旗降成半旗。"),
            Words("Fly the {colour} flag at half-mast.", "让{colour}的旗下半旗。"),
            Words("Bring the {colour} flag to half-mast.", "把{colour}的旗挂到半杆。"),
            Words("Let the {colour} flag show mourning.", "让{colour}的旗表示哀悼。"),
        ),
        hard=(
            Words("The country of the {colour} flag mourns its president.", "{colour}旗的国家哀悼总统。"),
            Words("The country of the {colour} flag has a national day of mourning.", "今天是{colour}旗国家的哀悼日。"),
            Words("The queen of the country of the {colour} flag has died.", "{colour}旗国家的女王去世了。"),
            Words(
                "The country of the {colour} flag remembers its fallen soldiers.", "{colour}旗的国家悼念阵亡的士兵。"
            ),
        ),
    ),
    Reason(
        "flag_news",
        Words("Flags are set to half-mast after disasters.", "灾难之后要下半旗。"),
        medium=(
            Words("The {colour} flag stops halfway on its pole.", "{colour}的旗停在旗杆一半的地方。"),
            Words("Pull the {colour} flag to half the height.", "把{colour}的旗拉到一半高。"),
            Words("Show the {colour} flag flown in grief.", "展示{colour}的旗志哀的样子。"),
            Words("The {colour} flag goes to the position of grief.", "{colour}的旗挂到志哀的位置。"),
        ),
        hard=(
            Words("An earthquake has taken many lives under the {colour} flag.", "{colour}旗的国家地震，死了很多人。"),
            Words("A ship under the {colour} flag sank with all its crew.", "{colour}旗的船连同全体船员沉没了。"),
            Words("The people of the {colour} flag weep for their beloved poet.", "{colour}旗的人民为敬爱的诗人落泪。"),
            Words(
                "Victims of a flood are buried in the country of the {colour} flag.", "{colour}旗的国家安葬洪水遇难者。"
            ),
        ),
    ),
)
_BOTTOM = (
    Reason(
        "flag_occasion",
        Words("A flag is lowered to the bottom when the day ends.", "一天结束时，旗降到底部。"),
        medium=(
            Words("Lower the {colour} flag completely.", "把{colour}的旗完全降下。"),
            Words("Haul down the {colour} flag.", "降下{colour}的旗。"),
            Words("Bring the {colour} flag all the way down.", "把{colour}的旗一直降到底。"),
            Words("Let the {colour} flag fly no longer.", "不再让{colour}的旗飘扬。"),
        ),
        hard=(
            Words("At dusk the guard is about to fold the {colour} flag.", "黄昏时，卫兵要收起{colour}的旗。"),
            Words("The {colour} flag is taken in for the night.", "{colour}的旗晚上要收回去。"),
            Words("The day's ceremony for the {colour} flag is over.", "{colour}旗一天的仪式结束了。"),
            Words("A soldier unties the {colour} flag to put it away.", "士兵要解下{colour}的旗收好。"),
        ),
    ),
    Reason(
        "flag_news",
        Words("A flag that must be saved or mended is lowered to the bottom.", "要保护或修补的旗会降到底部。"),
        medium=(
            Words("The {colour} flag sinks down to the ground.", "{colour}的旗一直落到地面。"),
            Words("Pull the {colour} flag down completely.", "把{colour}的旗全部拉下来。"),
            Words("Show the {colour} flag fully lowered.", "展示{colour}的旗降到底的样子。"),
            Words("The {colour} flag goes down to its lowest position.", "{colour}的旗降到最低的位置。"),
        ),
        hard=(
            Words("The {colour} flag is torn and a tailor wants to mend it.", "{colour}的旗破了，裁缝要缝补它。"),
            Words("The rope that held up the {colour} flag has snapped.", "拉着{colour}旗的绳子断了。"),
            Words("The fortress of the {colour} flag has surrendered.", "{colour}旗的要塞投降了。"),
            Words("A gale threatens to rip the {colour} flag.", "狂风要撕破{colour}的旗。"),
        ),
    ),
)
_REASONS = {"top": _TOP, "half": _HALF, "bottom": _BOTTOM}


def make_flags(rng: random.Random) -> Setting:
    """Draw two flags at any height; each may go to the two other heights."""
    colours, levels = rng.sample(_FLAG_COLOURS, 2), rng.choices(sorted(_LEVELS), k=2)
    shift, ground, height = rng.randint(-2, 2), rng.randint(54, 57), rng.randint(46, 48)
    flags = tuple(
        Thing("flagpole", colour, x + shift, ground, height, level)
        for colour, x, level in zip(colours, (8, 39), levels, strict=True)
    )
    source = Scene("meadow", flags, horizon=rng.randint(38, 44), cloud=rng.choice((None, 32)))
    changes = []
    for index, side in enumerate(_SIDES):
        for level in (name for name in _LEVELS if name != levels[index]):
            slots = {"colour": COLOUR_WORDS[colours[index]], "side": SIDE_WORDS[side], "level": _NOUNS[level]}
            target = source.changing(index, state=level)
            pair = _opposite(side, level, levels)
            changes.append(Change(target, _EXPLICIT, _REASONS[level], slots, ("flag", "custom"), pair))
    told = {
        "left": COLOUR_WORDS[colours[0]],
        "right": COLOUR_WORDS[colours[1]],
        "left_level": _LEVELS[levels[0]],
        "right_level": _LEVELS[levels[1]],
    }
    return Setting(source, fill(_DESCRIPTION, told), tuple(changes))


def _opposite(side: Side, level: str, levels: list[str]) -> str:
    """Up and down are opposites for a flag in the middle; else, the same height for this flag and for that one."""
    if levels[_SIDES.index(side)] == "half":
        return f"height:{side} flag"
    return f"which:{level}" if "half" not in levels and level not in levels else ""


FLAGS = SettingKind(make_flags, ("flag_occasion", "flag_news"))
"""The setting of the two flags."""
