"""A zebra crossing: two traffic lights, one for the walker and one for the car, in any state."""

from __future__ import annotations

import random

from src.miniature.world.phrasing import COLOUR_WORDS, SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, fill
from src.miniature.world.scene import Scene, Side, Thing, opposite, towards

_SIDES: tuple[Side, ...] = ("left", "right")
_CLOTHES = ("red", "orange", "yellow", "green", "blue", "purple")
_SHOWN = {
    "walk": ("green", "red"),
    "drive": ("red", "green"),
    "stop": ("red", "red"),
    "caution": ("yellow", "yellow"),
    "off": ("", ""),
}
"""What the walker's light and the car's light show in every state."""
_OPPOSITES = {
    "walk": "which:green light",
    "drive": "which:green light",
    "caution": "switch:both lights",
    "off": "switch:both lights",
}

_DESCRIPTION = Words(
    "A zebra crossing; a walker waits on the {walker}, a car on the {car}; the walker's light is {w}, the car's {c}.",
    "斑马线的{walker}边是行人，{car}边是汽车；行人的灯是{w}，汽车的灯是{c}。",
)
_ONE_EACH = (
    Words(
        "Turn the light on the {walker} {w} and the light on the {car} {c}.",
        "把{walker}边的灯变成{w}，把{car}边的灯变成{c}。",
    ),
    Words(
        "Paint the {walker} traffic light {w} and the {car} traffic light {c}.",
        "把{walker}边的红绿灯涂成{w}，把{car}边的红绿灯涂成{c}。",
    ),
    Words(
        "Draw a {w} light on the {walker} and a {c} light on the {car}.",
        "在{walker}边画{w}的灯，在{car}边画{c}的灯。",
    ),
    Words(
        "Make the traffic light on the {car} {c} and the one on the {walker} {w}.",
        "让{car}边的红绿灯变{c}，{walker}边的红绿灯变{w}。",
    ),
)
_BOTH_ALIKE = (
    Words("Turn both traffic lights {w}.", "把两个红绿灯都变成{w}。"),
    Words("Paint the left and the right traffic light {w}.", "把左边和右边的红绿灯都涂成{w}。"),
    Words("Draw a {w} light on the left and on the right.", "在左边和右边都画{w}的灯。"),
    Words("Make the two traffic lights {w}.", "让两个红绿灯都变{w}。"),
)
_BOTH_OFF = (
    Words("Turn both traffic lights off.", "把两个红绿灯都关掉。"),
    Words("Paint the left and the right traffic light grey.", "把左边和右边的红绿灯都涂成灰色。"),
    Words("Remove the light from both traffic lights.", "去掉两个红绿灯的亮光。"),
    Words("Make the two traffic lights dark.", "让两个红绿灯都不亮。"),
)
_EXPLICIT = {
    "walk": _ONE_EACH,
    "drive": _ONE_EACH,
    "stop": _BOTH_ALIKE,
    "caution": _BOTH_ALIKE,
    "off": _BOTH_OFF,
}

_WALK_IS_SAFE = Words(
    "A walker may cross when the walker's light is green and the car's light is red.",
    "行人的灯是绿色、汽车的灯是红色时，行人才能过马路。",
)
_DRIVE_IS_SAFE = Words(
    "A car may drive when the car's light is green and the walker's light is red.",
    "汽车的灯是绿色、行人的灯是红色时，汽车才能通行。",
)
_WALK = (
    Reason(
        "light_turn",
        _WALK_IS_SAFE,
        medium=(
            Words("Give the walker a green light.", "给行人亮绿灯。"),
            Words("Switch the lights so that the walker may go.", "切换信号灯，让行人通行。"),
            Words("Stop the car and let the walker cross.", "让汽车停下，让行人过马路。"),
            Words("The signals now let the walker pass.", "信号灯现在放行行人。"),
        ),
        hard=(
            Words("It is the walker's turn now.", "现在轮到行人了。"),
            Words("The person on foot has waited long enough.", "步行的人已经等得够久了。"),
            Words("From now on the car has to wait.", "从现在起，汽车要等一等。"),
            Words("It is safe to step onto the zebra crossing now.", "现在可以放心地走上斑马线。"),
        ),
    ),
    Reason(
        "light_urgent",
        _WALK_IS_SAFE,
        medium=(
            Words("Let the walker through at once.", "立刻让行人通过。"),
            Words("Those on foot get priority by the signals.", "信号灯让步行者优先。"),
            Words("Hold up the traffic for the walker.", "为行人拦住车流。"),
            Words("Clear the crossing for people on foot.", "给步行的人让出路口。"),
        ),
        hard=(
            Words("School is over and the children want to get across.", "放学了，孩子们要走到对面去。"),
            Words("A blind man with a white stick wants to cross.", "一位拿着盲杖的盲人想过去。"),
            Words("A mother pushes her pram to the other side.", "妈妈推着婴儿车走到对面。"),
            Words("An old lady with a stick needs to reach the other pavement.", "拄拐杖的老奶奶要走到对面的人行道。"),
        ),
    ),
)
_DRIVE = (
    Reason(
        "light_turn",
        _DRIVE_IS_SAFE,
        medium=(
            Words("Give the car a green light.", "给汽车亮绿灯。"),
            Words("Switch the lights so that the car may go.", "切换信号灯，让汽车通行。"),
            Words("Stop the walker and let the car drive.", "让行人停下，让汽车开走。"),
            Words("The signals now let the car pass.", "信号灯现在放行汽车。"),
        ),
        hard=(
            Words("It is the car's turn now.", "现在轮到汽车了。"),
            Words("The driver has waited long enough.", "司机已经等得够久了。"),
            Words("From now on the walker has to wait.", "从现在起，行人要等一等。"),
            Words("It is forbidden to step onto the zebra crossing now.", "现在不可以走上斑马线。"),
        ),
    ),
    Reason(
        "light_urgent",
        _DRIVE_IS_SAFE,
        medium=(
            Words("Let the car through at once.", "立刻让汽车通过。"),
            Words("Those on wheels get priority by the signals.", "信号灯让车辆优先。"),
            Words("Hold up the walker for the traffic.", "为车流拦住行人。"),
            Words("Clear the crossing for people on wheels.", "给开车的人让出路口。"),
        ),
        hard=(
            Words("The driver rushes a patient to hospital.", "司机急着送病人去医院。"),
            Words("The fire brigade sits in this car and a house burns.", "车里坐着消防员，有房子着火了。"),
            Words("The police in the car chase a thief.", "车里的警察正在追小偷。"),
            Words("The doctor at the wheel is called to an accident.", "开车的医生要赶去事故现场。"),
        ),
    ),
)
_NOBODY_MOVES = Words(
    "When both lights are red, neither walker nor car may move.", "两个灯都是红色时，行人和汽车都不能走。"
)
_STOP = (
    Reason(
        "light_turn",
        _NOBODY_MOVES,
        medium=(
            Words("Give nobody a green light, but hold both back.", "不给任何人绿灯，让双方都停住。"),
            Words("Switch the lights so that neither may go.", "切换信号灯，让双方都不能走。"),
            Words("Stop the walker and stop the car.", "让行人停下，也让汽车停下。"),
            Words("The signals now let neither of the two pass.", "信号灯现在双方都不放行。"),
        ),
        hard=(
            Words("It is the turn of neither walker nor car now.", "现在既不轮到行人，也不轮到汽车。"),
            Words("The cars from the side street have their turn.", "现在轮到旁边路上的车。"),
            Words("From now on both sides have to wait.", "从现在起，双方都要等一等。"),
            Words("It is forbidden for everybody to enter the crossing now.", "现在谁都不可以进入路口。"),
        ),
    ),
    Reason(
        "light_urgent",
        _NOBODY_MOVES,
        medium=(
            Words("Hold up walker and car at once.", "立刻拦住行人和汽车。"),
            Words("Those on foot and those on wheels must both halt.", "步行的和开车的都必须停住。"),
            Words("Hold up everyone on either side.", "拦住两边的所有人。"),
            Words("Clear the whole crossing of people and cars.", "把整个路口的人和车都清空。"),
        ),
        hard=(
            Words("An ambulance comes out of the side street at high speed.", "救护车从旁边的路飞驰而来。"),
            Words(
                "Fire engines from the side street need the crossing for themselves.", "旁边路上的消防车要独占路口。"
            ),
            Words("A lorry without brakes races through the crossing.", "一辆刹车失灵的卡车冲过路口。"),
            Words("The president's convoy comes from the side street.", "总统的车队从旁边的路开来。"),
        ),
    ),
    Reason(
        "light_all",
        _NOBODY_MOVES,
        medium=(
            Words("Nobody may go, neither walker nor car.", "行人和汽车谁都不许走。"),
            Words("Make walker and car both wait.", "让行人和汽车都等着。"),
            Words("Stop everybody with the signals.", "用信号灯让所有人停下。"),
            Words("The signals block the way for all.", "信号灯禁止所有人通行。"),
        ),
        hard=(
            Words("A long parade passes here, and all others stand still.", "长长的游行队伍经过，其他人都原地不动。"),
            Words("A train is about to pass between walker and car.", "火车就要从行人和汽车之间开过。"),
            Words("A policeman closes the whole crossing after an accident.", "出了事故，警察封闭了整个路口。"),
            Words("Ducks waddle over the road and all wait for them.", "鸭子摇摇摆摆过马路，大家都等着。"),
        ),
    ),
)
_CAUTION = (
    Reason(
        "light_all",
        Words("Yellow on both lights warns everybody to take care.", "两个灯都是黄色，提醒大家小心。"),
        medium=(
            Words("Let both lights give the warning signal.", "让两个灯都发出警示信号。"),
            Words("Warn walker and car alike with the signals.", "用信号灯同时提醒行人和汽车。"),
            Words("Show the sign for caution on either side.", "两边都显示小心的信号。"),
            Words("Switch the crossing to caution for all.", "把路口切换成人人注意的警示。"),
        ),
        hard=(
            Words(
                "The signals neither stop nor allow; everyone should just take care.",
                "信号既不禁止也不放行，只提醒大家当心。",
            ),
            Words("For both sides the phase between stop and go has come.", "两边都到了停和行之间的那一刻。"),
            Words("The signals are about to change for both sides at once.", "两边的信号马上都要变换。"),
            Words("Late at night the signals only remind people to look out.", "深夜里，信号灯只提醒人们注意。"),
        ),
    ),
)
_OFF = (
    Reason(
        "light_all",
        Words("Without electric power no traffic light shines.", "没有电，红绿灯都不亮。"),
        medium=(
            Words("Switch the signals off.", "关掉信号灯。"),
            Words("Put the traffic signals out of service.", "让信号灯停用。"),
            Words("Let no signal shine any more.", "让信号灯不再发光。"),
            Words("Cut the power of the signals.", "切断信号灯的电。"),
        ),
        hard=(
            Words("A power cut hits the whole street.", "整条街停电了。"),
            Words("An electrician repairs the signals and has pulled the plug.", "电工修理信号灯，拔掉了插头。"),
            Words("A digger has torn the cable under the road.", "挖掘机挖断了路下的电缆。"),
            Words("No current reaches this crossing today.", "今天这个路口没有电。"),
        ),
    ),
)
_REASONS = {"walk": _WALK, "drive": _DRIVE, "stop": _STOP, "caution": _CAUTION, "off": _OFF}
_DARK = Words("off", "不亮的")


def _shown(colour: str) -> Words:
    return COLOUR_WORDS[colour] if colour else _DARK


def make_crossing(rng: random.Random) -> Setting:
    """Draw a crossing whose two lights show one of five states; the changes are the other four."""
    side = rng.choice(_SIDES)
    out, middle = towards(side), 32
    state = rng.choice(sorted(_SHOWN))
    walker, car = _SHOWN[state]
    things = (
        Thing("traffic_light", "black", middle + out * 14, 46, 34, walker),
        Thing("traffic_light", "black", middle - out * 14, 46, 34, car),
        Thing("person", rng.choice(_CLOTHES), middle + out * 24, 47, 17),
        Thing("car", rng.choice(_CLOTHES), middle - out * 21, 59, 18),
    )
    source = Scene("street", things, horizon=rng.randint(40, 42), cloud=rng.choice((None, 32)))
    sides = {"walker": SIDE_WORDS[side], "car": SIDE_WORDS[opposite(side)]}
    others = [name for name in _SHOWN if name != state]
    labels = [_OPPOSITES.get(name, "") for name in others]
    changes = []
    for name, label in zip(others, labels, strict=True):
        new_walker, new_car = _SHOWN[name]
        target = source.changing(0, state=new_walker).changing(1, state=new_car)
        slots = {**sides, "w": _shown(new_walker), "c": _shown(new_car)}
        pair = label if labels.count(label) == 2 else ""
        changes.append(Change(target, _EXPLICIT[name], _REASONS[name], slots, ("traffic", "safety"), pair))
    description = fill(_DESCRIPTION, {**sides, "w": _shown(walker), "c": _shown(car)})
    return Setting(source, description, tuple(changes))


CROSSING = SettingKind(make_crossing, ("light_turn", "light_urgent", "light_all"))
"""The setting of the two traffic lights."""
