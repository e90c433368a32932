"""因果: three lamps in a dark room, switched by hand, by their bulbs or by the mains."""

from __future__ import annotations

import random

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, Change, Reason, Setting, SettingKind, Words, fill
from src.miniature.world.scene import Scene, Thing

_LIGHTS = Words("With power a lamp sends light down to the floor.", "通电的灯把光照到地板上。")
_DARK = Words(
    "Without power a lamp sends no light, so what it lit turns dark.", "不通电的灯不发光，它照亮的东西就变暗。"
)

_DRAW_LIGHT = (
    Words("Draw yellow light below the {lamp}, down to the floor.", "在{lamp}下面画黄色的光，直到地板。"),
    Words("Draw a yellow light cone under the {lamp} and paint the lamp bright.", "在{lamp}下面画黄色光柱，把灯画亮。"),
    Words("Paint the wall and floor below the {lamp} yellow and bright.", "把{lamp}下面的墙和地板涂成明亮的黄色。"),
    Words("Add a cone of yellow light from the {lamp} to the floor.", "从{lamp}到地板加上黄色的光柱。"),
)
_ERASE_LIGHT = (
    Words("Remove the yellow light below the {lamp}.", "去掉{lamp}下面黄色的光。"),
    Words(
        "Erase the yellow light cone under the {lamp} and paint the lamp dark.", "擦掉{lamp}下面的黄色光柱，把灯画暗。"
    ),
    Words("Paint the wall and floor below the {lamp} dark.", "把{lamp}下面的墙和地板涂暗。"),
    Words("Delete the cone of yellow light from the {lamp} to the floor.", "删除从{lamp}到地板的黄色光柱。"),
)
_DRAW_ALL = (
    Words("Draw yellow light below all three lamps, down to the floor.", "在三盏灯下面都画黄色的光，直到地板。"),
    Words(
        "Draw a yellow light cone under each lamp and paint all lamps bright.", "在每盏灯下面画黄色光柱，把灯都画亮。"
    ),
    Words("Paint the wall and floor below every lamp yellow and bright.", "把每盏灯下面的墙和地板涂成明亮的黄色。"),
    Words("Add cones of yellow light so that all three lamps have one.", "加上黄色的光柱，让三盏灯都有。"),
)
_ERASE_ALL = (
    Words("Remove all yellow light in the room.", "去掉房间里所有黄色的光。"),
    Words(
        "Erase the yellow light cones under the lamps and paint all lamps dark.", "擦掉灯下面的黄色光柱，把灯都画暗。"
    ),
    Words("Paint the whole wall and floor dark.", "把整面墙和地板都涂暗。"),
    Words("Delete every cone of yellow light from the lamps to the floor.", "删除从灯到地板的每一道黄色光柱。"),
)

_USE_ON = Reason(
    "lamp_use",
    _LIGHTS,
    (
        Words("Switch the {lamp} on.", "打开{lamp}。"),
        Words("Turn on the {lamp}.", "把{lamp}打开。"),
        Words("Let the {lamp} shine.", "让{lamp}亮起来。"),
        Words("Press the switch of the {lamp} so that it is lit.", "按下{lamp}的开关，让它亮。"),
    ),
    (
        Words("Somebody wants to read a book under the {lamp}.", "有人想在{lamp}下看书。"),
        Words("A child has lost a coin below the {lamp} and looks for it.", "孩子在{lamp}下面丢了硬币，正在找。"),
        Words("The tailor sits down under the {lamp} to sew.", "裁缝坐到{lamp}下面缝衣服。"),
        Words("Somebody has to sign a letter at the place of the {lamp}.", "有人要在{lamp}那里签一封信。"),
    ),
)
_USE_OFF = Reason(
    "lamp_use",
    _DARK,
    (
        Words("Switch the {lamp} off.", "关掉{lamp}。"),
        Words("Turn off the {lamp}.", "把{lamp}关掉。"),
        Words("Let the {lamp} stop shining.", "让{lamp}不再发光。"),
        Words("Press the switch of the {lamp} so that it goes out.", "按下{lamp}的开关，让它熄灭。"),
    ),
    (
        Words("A baby falls asleep under the {lamp}.", "婴儿在{lamp}下睡着了。"),
        Words("Nobody needs the {lamp} any more; save its power.", "没人需要{lamp}了，替它省电。"),
        Words("The {lamp} dazzles somebody who wants to rest.", "{lamp}刺眼，有人想休息。"),
        Words("The reader below the {lamp} has finished and goes to bed.", "{lamp}下看书的人看完去睡了。"),
    ),
)
_BULB_ON = Reason(
    "lamp_bulb",
    _LIGHTS,
    (
        Words("Put a working bulb into the {lamp}.", "给{lamp}装上好灯泡。"),
        Words("Connect the {lamp} to the power.", "给{lamp}接上电。"),
        Words("Plug the {lamp} in.", "插上{lamp}的插头。"),
        Words("Repair the {lamp}.", "修好{lamp}。"),
    ),
    (
        Words("The electrician has mended the broken wire of the {lamp}.", "电工接好了{lamp}断掉的电线。"),
        Words("The {lamp} gets the bulb that it was lacking.", "{lamp}有了缺少的灯泡。"),
        Words("The loose contact in the {lamp} closes again.", "{lamp}里松动的触点又接上了。"),
        Words(
            "Somebody finds the cable of the {lamp} on the floor and puts it into the socket.",
            "有人捡起{lamp}的电线，插进了插座。",
        ),
    ),
)
_BULB_OFF = Reason(
    "lamp_bulb",
    _DARK,
    (
        Words("Take the bulb out of the {lamp}.", "取下{lamp}的灯泡。"),
        Words("Cut the {lamp} off from the power.", "断开{lamp}的电。"),
        Words("Unplug the {lamp}.", "拔掉{lamp}的插头。"),
        Words("Break the {lamp}.", "弄坏{lamp}。"),
    ),
    (
        Words("The bulb of the {lamp} burns out.", "{lamp}的灯泡烧坏了。"),
        Words("A mouse bites through the wire of the {lamp}.", "老鼠咬断了{lamp}的电线。"),
        Words("A ball has hit the glass of the {lamp}; splinters fall.", "球砸中了{lamp}的玻璃，碎片落下。"),
        Words(
            "Somebody trips over the cable of the {lamp} and pulls it out.", "有人被{lamp}的电线绊倒，把它拽了出来。"
        ),
    ),
)
_MAINS_ON = Reason(
    "lamp_mains",
    Words(
        "Once the whole house has power, every lamp sends light down to the floor.",
        "整座房子都有电，每盏灯都把光照到地板上。",
    ),
    (
        Words("Switch every lamp on.", "打开所有的灯。"),
        Words("Turn on all three lamps.", "把三盏灯都打开。"),
        Words("Let each of the lamps shine.", "让每盏灯都亮起来。"),
        Words("Make sure that no lamp is off.", "别让任何一盏灯灭着。"),
    ),
    (
        Words("Guests arrive and want to see the whole room.", "客人来了，想看清整个房间。"),
        Words(
            "Somebody looks for a key and does not know in which part of the room it lies.",
            "有人找钥匙，不知掉在房间哪一处。",
        ),
        Words("The painter needs it bright everywhere in this room.", "油漆工需要房间处处明亮。"),
        Words("The party begins, and no corner shall stay gloomy.", "聚会开始了，哪个角落都不能昏暗。"),
    ),
)
_MAINS_OFF = Reason(
    "lamp_mains",
    Words("Without power in the whole house no lamp sends light.", "整座房子没有电，没有灯发光。"),
    (
        Words("Switch every lamp off.", "关掉所有的灯。"),
        Words("Turn off all the lamps.", "把灯全部关掉。"),
        Words("Let none of the lamps shine.", "让每盏灯都不亮。"),
        Words("Make sure that no lamp is on.", "别让任何一盏灯亮着。"),
    ),
    (
        Words("A power cut hits the house.", "房子停电了。"),
        Words("The family leaves the house for a week.", "一家人出门一周。"),
        Words("A storm tears down the power line.", "暴风雨刮断了电线。"),
        Words("The main fuse of the house blows.", "房子的总保险丝烧断了。"),
    ),
)

_PLACES = (11, 32, 53)
_PLACE_NAMES = (Words("left lamp", "左边的灯"), Words("middle lamp", "中间的灯"), Words("right lamp", "右边的灯"))
_COLOURS = ("green", "red", "white", "yellow")
"""Colours that can be told apart in the dark."""


def _lamps(rng: random.Random) -> Setting:
    """Make three lamps of which one or two are on; any may be switched, or all at once."""
    colours = rng.sample(_COLOURS, 3)
    odd, odd_state = rng.randrange(3), rng.choice(("on", "off"))
    rest = "off" if odd_state == "on" else "on"
    height = rng.randint(16, 22)
    lamps = [
        Thing("lamp", colour, x, height, 10, odd_state if index == odd else rest)
        for index, (colour, x) in enumerate(zip(colours, _PLACES, strict=True))
    ]
    floor = [Thing(rng.choice(("ball", "box")), rng.choice(sorted(COLOURS)), x, 58, 9) for x in _PLACES]
    source = Scene("room", (*lamps, *floor), horizon=47, shade=rng.randrange(3), time="night")
    names = list(_PLACE_NAMES)
    if rng.random() < 0.5:
        names = [Words(f"{COLOUR_WORDS[colour].en} lamp", f"{COLOUR_WORDS[colour].zh}的灯") for colour in colours]
    changes = []
    for index in range(3):
        on = lamps[index].state == "off"
        target = source.changing(index, state="on" if on else "off")
        reasons: tuple[Reason, ...] = (_USE_ON, _BULB_ON) if on else (_USE_OFF, _BULB_OFF)
        if index == odd:  # the other two are in the state that it now gets
            reasons += (_MAINS_ON if on else _MAINS_OFF,)
        label = "switch:all" if index == odd else "which:lamp"
        explicit = _DRAW_LIGHT if on else _ERASE_LIGHT
        changes.append(Change(target, explicit, reasons, {"lamp": names[index]}, _TAGS, label))
    everything = source
    for index in range(3):
        everything = everything.changing(index, state=odd_state)
    all_on = odd_state == "on"
    all_reasons = (_MAINS_ON if all_on else _MAINS_OFF,)
    changes.append(Change(everything, _DRAW_ALL if all_on else _ERASE_ALL, all_reasons, {}, _TAGS, "switch:all"))
    state = Words("on", "亮着") if all_on else Words("off", "没有亮")
    description = fill(
        Words(
            "A dark room with a {first}, a {second} and a {third} lamp from left to right; only the {odd} is {state}.",
            "昏暗的房间里从左到右是{first}、{second}和{third}的灯，只有{odd}{state}。",
        ),
        {
            **dict(zip(("first", "second", "third"), map(COLOUR_WORDS.__getitem__, colours), strict=True)),
            "odd": names[odd],
            "state": state,
        },
    )
    return Setting(source, description, tuple(changes))


_TAGS = ("electricity", "light")

lamps = SettingKind(_lamps, ("lamp_use", "lamp_bulb", "lamp_mains"))
"""Three lamps in a dark room."""
