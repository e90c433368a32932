"""社会: traffic lights, waste sorting, queues, mourning, safety at work."""

from __future__ import annotations

import random

from src.miniature.world.palette import COLOURS
from src.miniature.world.phrasing import COLOUR_WORDS, KIND_WORDS, SIDE_WORDS, Draft, Rule, Texts, Words, a, clothed
from src.miniature.world.scene import Backdrop, Scene, Side, Thing, opposite, towards

_SIDES: tuple[Side, ...] = ("left", "right")
_GROUNDS: tuple[Backdrop, ...] = ("meadow", "sand")
_CLOTHES = ("red", "orange", "yellow", "green", "blue", "purple")

_LIGHTS_SOURCE = Words(
    "A zebra crossing, a walker and a light on the {walker}, a car and a light on the {car}; the walker has {old}.",
    "斑马线旁：{walker}边是行人和行人灯，{car}边是汽车和机动车信号灯，行人灯是{old}。",
)
_LIGHTS_EASY = (
    Words(
        "Turn the light on the {walker} beside the walker {new}, and the light on the {car} beside the car {old}.",
        "把{walker}边行人旁的灯变成{new}，{car}边汽车旁的灯变成{old}。",
    ),
    Words(
        "Paint the lamp of the {walker} traffic light {new} and of the {car} traffic light {old}.",
        "{walker}边的红绿灯亮{new}，{car}边的红绿灯亮{old}。",
    ),
    Words(
        "Make the {walker} traffic light {new}, the {car} traffic light {old}.",
        "让{walker}边的红绿灯变{new}，{car}边的变{old}。",
    ),
)
_WALK = Texts(
    description=_LIGHTS_SOURCE,
    rationale=Words(
        "A walker crosses safely only when the walker's light is green and the cars have red.",
        "行人灯是绿色、汽车灯是红色时，行人才能安全过马路。",
    ),
    easy=_LIGHTS_EASY,
    medium=(
        Words("Give the walker a green light.", "给行人亮绿灯。"),
        Words("Switch the lights so that the walker may go.", "切换信号灯，让行人通行。"),
        Words("Stop the car with the traffic light.", "用红绿灯让汽车停下。"),
    ),
    hard=(
        Words("Make it safe for the walker to cross.", "让行人可以安全地过马路。"),
        Words("The person has waited long enough and it is their turn.", "这个人等了很久，现在轮到他了。"),
        Words(
            "A mother with a pram wants to get to the other side without danger.", "推婴儿车的妈妈想安全地走到对面。"
        ),
    ),
)
_DRIVE = Texts(
    description=_LIGHTS_SOURCE,
    rationale=Words(
        "A car may drive only when its light is green and the walker's light is red.",
        "汽车灯是绿色、行人灯是红色时，汽车才能通行。",
    ),
    easy=_LIGHTS_EASY,
    medium=(
        Words("Give the car a green light.", "给汽车亮绿灯。"),
        Words("Switch the lights so that the car may go.", "切换信号灯，让汽车通行。"),
        Words("Make the walker wait with the traffic light.", "用红绿灯让行人等待。"),
    ),
    hard=(
        Words("The driver rushes a patient to hospital and must not be held up.", "司机急着送病人去医院，不能耽搁。"),
        Words("It is now the turn of the traffic on the road.", "现在轮到车辆先走了。"),
        Words("It would be forbidden to step onto the zebra crossing now.", "现在不允许走上斑马线。"),
    ),
)


def traffic_lights(rng: random.Random, difficulty: str) -> Draft:
    """The walker's light and the car's light change; they never show the same colour."""
    side = rng.choice(_SIDES)
    walks = rng.random() < 0.5
    old, new = ("red", "green") if walks else ("green", "red")
    out, middle = towards(side), 32
    things = (
        Thing("traffic_light", "black", middle + out * 15, 46, 30, old),
        Thing("traffic_light", "black", middle - out * 15, 46, 30, new),
        Thing("person", rng.choice(_CLOTHES), middle + out * 24, 47, 17),
        Thing("car", rng.choice(_CLOTHES), middle - out * 21, 58, 18),
    )
    source = Scene("street", things, horizon=rng.randint(40, 42), cloud=rng.choice((None, 32)))
    target = source.changing(0, state=new).changing(1, state=old)
    slots = {
        "walker": SIDE_WORDS[side],
        "car": SIDE_WORDS[opposite(side)],
        "old": COLOUR_WORDS[old],
        "new": COLOUR_WORDS[new],
    }
    return Draft(source, target, _WALK if walks else _DRIVE, slots, ("traffic", "safety"))


_BIN_OF = {"apple": "green", "bottle": "blue", "battery": "red"}
_BIN_USE = {
    "green": Words("food waste", "厨余垃圾"),
    "blue": Words("recyclables", "可回收物"),
    "red": Words("hazardous waste", "有害垃圾"),
}
_PLACES = (Words("left", "左边"), Words("middle", "中间"), Words("right", "右边"))
_WHERE = (Words("on the left", "左边"), Words("in the middle", "中间"), Words("on the right", "右边"))

_LITTER = Texts(
    description=Words(
        "{a_item} lies on the ground in front of three bins: blue, green and red.",
        "蓝、绿、红三个垃圾桶前的地上有{a_item}。",
    ),
    rationale=Words(
        "{a_item} belongs to {use}, which is collected in the {bin} bin.", "{item}属于{use}，应放进{bin}垃圾桶。"
    ),
    easy=(
        Words(
            "Move the {item} from the ground into the {bin} bin {where}.", "把地上的{item}移到{place}的{bin}垃圾桶里。"
        ),
        Words(
            "Draw the {item} sticking out of the {place} bin, the {bin} one, and clear the ground.",
            "把{item}画在{place}的{bin}垃圾桶口，地面清空。",
        ),
        Words(
            "Erase the {item} on the ground and draw it in the top of the {bin} bin {where}.",
            "擦掉地上的{item}，画到{place}{bin}垃圾桶的桶口。",
        ),
    ),
    medium=(
        Words("Put the {item} into the {use} bin.", "把{item}放进{use}桶。"),
        Words("Throw the {item} into the bin for {use}.", "把{item}扔进装{use}的桶。"),
        Words("The {item} goes where {use} is collected.", "{item}要放到收集{use}的地方。"),
    ),
    hard=(
        Words("Tidy up the ground as a good citizen does.", "像好公民一样把地面收拾干净。"),
        Words("Sort the waste correctly.", "正确地进行垃圾分类。"),
        Words("What lies here should be disposed of properly.", "地上的东西应当妥善处理。"),
    ),
)


def sort_litter(rng: random.Random, difficulty: str) -> Draft:
    """Litter on the ground goes into the bin of its colour."""
    item = rng.choice(sorted(_BIN_OF))
    colours = rng.sample(("blue", "green", "red"), 3)
    slot = colours.index(_BIN_OF[item])
    ground, size = rng.randint(44, 47), 9.0
    bins = [Thing("bin", colour, 14 + 18 * i, ground, 13) for i, colour in enumerate(colours)]
    litter = Thing(item, "black", rng.choice((14, 23, 32, 41, 50)), ground + 13, size)
    source = Scene("meadow", (litter, *bins), horizon=rng.randint(36, 40), cloud=rng.choice((None, 20, 44)))
    target = source.changing(0, x=bins[slot].x, y=ground - 10)
    slots = {
        "item": KIND_WORDS[item],
        "a_item": a(KIND_WORDS[item], "节" if item == "battery" else "个"),
        "bin": COLOUR_WORDS[_BIN_OF[item]],
        "use": _BIN_USE[_BIN_OF[item]],
        "place": _PLACES[slot],
        "where": _WHERE[slot],
    }
    return Draft(source, target, _LITTER, slots, ("recycling",))


_QUEUE = Texts(
    description=Words(
        "Three people queue at a ticket booth on the {front}; the {thing} pushes in at the front.",
        "三个人在{front}边的售票亭排队，{thing}在前面插队。",
    ),
    rationale=Words(
        "Fairness asks the {thing}, who came last, to stand at the end of the queue.",
        "{thing}最后才来，公平起见应排到队尾。",
    ),
    easy=(
        Words("Move the {thing} to the end of the queue on the {back}.", "把{thing}移到{back}边的队尾。"),
        Words(
            "Draw the {thing} as the last one in the row on the {back} side.", "把{thing}画成{back}侧队伍的最后一个。"
        ),
        Words(
            "Erase the {thing} at the front and draw them behind the last person on the {back}.",
            "擦掉前面{thing}，画到{back}边最后一个人的后面。",
        ),
    ),
    medium=(
        Words("Send the {thing} to the end of the queue.", "让{thing}去队尾。"),
        Words("Let the {thing} queue up at the back.", "让{thing}到后面排队。"),
        Words("The {thing} has to line up last.", "{thing}要排在最后。"),
    ),
    hard=(
        Words("The one who jumped the queue is ashamed and makes it right.", "插队的人感到羞愧，改正了。"),
        Words("Restore fairness among the waiting people.", "让等候的人恢复公平。"),
        Words("Everybody has to wait for their turn.", "每个人都要按先来后到等候。"),
    ),
)


def queue_jumper(rng: random.Random, difficulty: str) -> Draft:
    """The person who pushed in goes to the end of the queue."""
    front = rng.choice(_SIDES)
    away = towards(opposite(front))
    start = 32 - away * 32
    colours = rng.sample(_CLOTHES, 4)
    ground, spots = rng.randint(46, 48), [start + away * (24 + 11 * i) for i in range(4)]
    people = [Thing("person", colour, x, ground, 17) for colour, x in zip(colours, spots, strict=False)][:3]
    jumper = Thing("person", colours[3], start + away * 15, ground + 13, 17)
    things = (Thing("kiosk", "red", start + away * 10, ground, 16), *people, jumper)
    backdrop: Backdrop = rng.choice(_GROUNDS)
    source = Scene(backdrop, things, horizon=rng.randint(36, 40), cloud=rng.choice((None, 32)))
    target = source.changing(4, x=spots[3], y=ground)
    slots = {
        "thing": clothed(colours[3]),
        "front": SIDE_WORDS[front],
        "back": SIDE_WORDS[opposite(front)],
    }
    return Draft(source, target, _QUEUE, slots, ("fairness", "queue"))


_LOWER = Texts(
    description=Words("{a_colour} flag at the top of its pole.", "{a_colour}的旗升在旗杆顶端。"),
    rationale=Words("Flags fly at half-mast as a sign of mourning.", "降半旗表示哀悼。"),
    easy=(
        Words("Move the {colour} flag down to the middle of the pole.", "把{colour}的旗移到旗杆中间。"),
        Words("Draw the {colour} flag halfway down the pole.", "把{colour}的旗画在旗杆一半高的地方。"),
        Words(
            "Erase the flag at the top and draw it {colour} at the middle of the pole.",
            "擦掉杆顶的旗，在旗杆中间画{colour}的旗。",
        ),
    ),
    medium=(
        Words("Lower the flag to half-mast.", "降半旗。"),
        Words("Fly the flag at half-mast.", "让旗帜下半旗。"),
        Words("Bring the flag to half-mast.", "把旗降到半杆。"),
    ),
    hard=(
        Words("The town mourns its beloved mayor.", "全城哀悼敬爱的市长。"),
        Words("Today is a national day of mourning.", "今天是全国哀悼日。"),
        Words("The victims of the earthquake are remembered today.", "今天悼念地震遇难者。"),
    ),
)
_RAISE = Texts(
    description=Words("{a_colour} flag at the middle of its pole.", "{a_colour}的旗挂在旗杆中间。"),
    rationale=Words("When mourning is over, flags fly at the top again.", "哀悼结束后，旗帜重新升到顶端。"),
    easy=(
        Words("Move the {colour} flag up to the top of the pole.", "把{colour}的旗移到旗杆顶端。"),
        Words("Draw the {colour} flag at the top of the pole.", "把{colour}的旗画在旗杆顶端。"),
        Words(
            "Erase the flag at the middle and draw it {colour} at the top of the pole.",
            "擦掉中间的旗，在旗杆顶端画{colour}的旗。",
        ),
    ),
    medium=(
        Words("Raise the flag fully.", "把旗完全升起。"),
        Words("Fly the flag at full mast.", "让旗帜升满杆。"),
        Words("End the half-mast.", "结束降半旗。"),
    ),
    hard=(
        Words("The days of mourning are over.", "哀悼的日子结束了。"),
        Words("Today the town celebrates its national holiday with joy.", "今天全城欢庆国庆节。"),
        Words("The period of grief ends and daily life returns.", "悲伤的时期过去，日常生活恢复了。"),
    ),
)


def flag_half_mast(rng: random.Random, difficulty: str) -> Draft:
    """The flag is lowered for mourning, or raised when mourning ends."""
    lowers = rng.random() < 0.5
    old, new = ("top", "half") if lowers else ("half", "top")
    colour = rng.choice([name for name in sorted(COLOURS) if name not in ("white", "black")])
    side = rng.choice(_SIDES)
    x, house_x = (rng.randint(12, 20), 46) if side == "left" else (rng.randint(36, 44), 16)
    ground = rng.randint(50, 56)
    house = Thing("house", rng.choice(_CLOTHES), house_x, ground - 2, 18)
    flag = Thing("flagpole", colour, x, ground, rng.randint(42, 46), old)
    source = Scene("meadow", (house, flag), horizon=rng.randint(38, 42), sun=rng.choice((None, opposite(side))))
    slots = {"colour": COLOUR_WORDS[colour], "a_colour": a(COLOUR_WORDS[colour], "面")}
    texts = _LOWER if lowers else _RAISE
    return Draft(source, source.changing(1, state=new), texts, slots, ("mourning", "flag"))


_HELMET = Texts(
    description=Words(
        "A worker stands at an unfinished brick wall, someone else near a tree.",
        "一名工人站在未完工的砖墙旁，另一个人站在树旁。",
    ),
    rationale=Words(
        "Hard hats are required on building sites, so the person at the wall wears one.",
        "工地上必须戴安全帽，所以墙边的人戴上了。",
    ),
    easy=(
        Words("Put a yellow hard hat on the {thing}.", "给{thing}戴上黄色的安全帽。"),
        Words("Draw a yellow helmet on the head of the {thing}.", "在{thing}头上画黄色的头盔。"),
        Words("Give the {thing} on the {side} a yellow hard hat.", "给{side}边{thing}戴黄色的安全帽。"),
    ),
    medium=(
        Words("Give the worker a hard hat.", "给工人戴上安全帽。"),
        Words("The builder puts on a helmet.", "建筑工戴上头盔。"),
        Words("Put a hard hat on the person at the brick wall.", "给砖墙旁的人戴安全帽。"),
    ),
    hard=(
        Words("The safety inspector comes, and the rules are kept.", "安全检查员来了，大家遵守规定。"),
        Words("Make work on the building site safe.", "让工地上的工作变得安全。"),
        Words("Protect the worker from falling bricks.", "保护工人不被掉落的砖块砸伤。"),
    ),
)


def hard_hat(rng: random.Random, difficulty: str) -> Draft:
    """The person on the building site, and no other, gets a hard hat."""
    side = rng.choice(_SIDES)
    out = towards(side)
    worker, other = rng.sample([name for name in _CLOTHES if name != "yellow"], 2)
    ground = rng.randint(50, 55)
    things = (
        Thing("bricks", "red", 32 + out * 22, ground - 1, 18),
        Thing("tree", "green", 32 - out * 23, ground - 2, 13),
        Thing("person", worker, 32 + out * rng.randint(7, 8), ground + 1, 19),
        Thing("person", other, 32 - out * rng.randint(10, 12), ground + 1, 19),
    )
    source = Scene("sand", things, horizon=rng.randint(34, 38), cloud=rng.choice((None, 32)))
    slots = {"thing": clothed(worker), "side": SIDE_WORDS[side]}
    return Draft(source, source.changing(2, state="helmet"), _HELMET, slots, ("safety", "work"))


SOCIAL: dict[str, Rule] = {
    "traffic_lights": traffic_lights,
    "sort_litter": sort_litter,
    "queue_jumper": queue_jumper,
    "flag_half_mast": flag_half_mast,
    "hard_hat": hard_hat,
}
"""The edit rules of the category 社会."""
