"""Two things lie in front of three waste bins."""

from __future__ import annotations

import random

from src.miniature.world.phrasing import (
    COLOUR_WORDS,
    KIND_WORDS,
    SIDE_WORDS,
    Change,
    Reason,
    Setting,
    SettingKind,
    Words,
    fill,
)
from src.miniature.world.scene import Scene, Thing

_BIN_OF = {"apple": "green", "bottle": "blue", "battery": "red"}
_USE_OF = {
    "apple": Words("food waste", "厨余垃圾"),
    "bottle": Words("recyclable waste", "可回收物"),
    "battery": Words("hazardous waste", "有害垃圾"),
}
_WHERE = (Words("on the left", "左边"), Words("in the middle", "中间"), Words("on the right", "右边"))
_PLACES = (16.0, 48.0)

_DESCRIPTION = Words(
    "In front of a {first}, a {second} and a {third} bin lie: {left} on the left, {right} on the right.",
    "{first}、{second}、{third}三个垃圾桶前，地上左边是{left}，右边是{right}。",
)
_INTO_BIN = (
    Words("Move the {item} into the {bin} bin {where}.", "把{item}移到{where}的{bin}垃圾桶里。"),
    Words("Put the {item} on the {side} into the {bin} bin.", "把{side}边的{item}放进{bin}垃圾桶。"),
    Words(
        "Remove the {item} from the ground and draw it on top of the {bin} bin.",
        "去掉地上的{item}，画到{bin}垃圾桶的桶口。",
    ),
    Words("Draw the {item} in the top of the {bin} bin, not on the ground.", "把{item}画在{bin}垃圾桶口，不在地上。"),
)
_AWAY = (
    Words("Remove the {item} on the {side}.", "去掉{side}边的{item}。"),
    Words("Erase the {item} from the ground on the {side}.", "擦掉地上{side}边的{item}。"),
    Words("Take the {item} away and keep the rest.", "把{item}去掉，其余不变。"),
    Words("Draw only grass in place of the {item}.", "在{item}的地方只画草地。"),
)
_BELONGS = Words("The {item} is {use}, and {use} goes into the {bin} bin.", "{item}属于{use}，应放进{bin}垃圾桶。")
_INTO_BIN_REASONS = (
    Reason(
        "litter_sort",
        _BELONGS,
        medium=(
            Words("Throw the {item} into the right bin.", "把{item}扔进正确的垃圾桶。"),
            Words("Put the {item} into the bin for {use}.", "把{item}放进装{use}的桶。"),
            Words("Sort the {item} into its bin.", "把{item}分类投进垃圾桶。"),
            Words("The {item} goes to the other {use}.", "{item}要和别的{use}放在一起。"),
        ),
        hard=(
            Words("A good citizen has finished with the {item}.", "一位好市民用完了{item}。"),
            Words("Someone disposes of the {item} as the rules demand.", "有人按规定处理了{item}。"),
            Words("A child has learned at school what to do with the {item}.", "孩子在学校学会了怎么处理{item}。"),
            Words("Whoever dropped the {item} makes up for it.", "乱丢{item}的人改正了错误。"),
        ),
    ),
    Reason(
        "litter_collect",
        _BELONGS,
        medium=(
            Words("Put the {use} into its bin.", "把{use}放进它的桶。"),
            Words("Throw what is {use} into the bin.", "把属于{use}的东西扔进桶里。"),
            Words("Only the {use} is put into a bin.", "只把{use}放进垃圾桶。"),
            Words("Bin the {use} and nothing else.", "只投放{use}，别的不动。"),
        ),
        hard=(
            Words("Today {use} is collected, the rest comes next week.", "今天收{use}，别的下周再收。"),
            Words("The lorry for {use} will come soon.", "收{use}的车快来了。"),
            Words("None of the {use} may lie about any longer.", "{use}不能再留在地上。"),
            Words("A helper looks after the {use} only.", "志愿者只负责{use}。"),
        ),
    ),
)
_TAKEN = {
    "apple": (
        Words("A hungry hedgehog carries its meal away.", "饥饿的刺猬把食物叼走了。"),
        Words("A bird has found fruit and eaten it up.", "小鸟发现水果，把它吃光了。"),
        Words("Someone picks up what can be eaten.", "有人捡走了能吃的东西。"),
        Words("A horse passes and snaps up something sweet to eat.", "马儿路过，吃掉了甜甜的东西。"),
    ),
    "bottle": (
        Words("A thirsty walker takes along something to drink from.", "口渴的路人带走了能装水的东西。"),
        Words("A collector of plastic has passed here.", "收塑料的人来过了。"),
        Words("Someone needs an empty vessel for water and takes it.", "有人要装水的空瓶，把它拿走了。"),
        Words("The wind blows away what is light and hollow.", "风吹走了又轻又空的东西。"),
    ),
    "battery": (
        Words("Someone takes along what a torch needs to shine.", "有人拿走了能让手电筒发光的东西。"),
        Words(
            "The alarm clock has stopped, and its owner finds a remedy here.", "闹钟停了，主人在这里找到了所需之物。"
        ),
        Words("A boy finds power for his toy car and keeps it.", "男孩找到了玩具车的电源，带走了。"),
        Words("A radio needs new current, and someone helps himself.", "收音机没电了，有人拿走了要用的东西。"),
    ),
}
_TAKEN_MEDIUM = (
    Words("Let someone pick up the {item} and leave.", "让人捡起{item}带走。"),
    Words("The {item} gets carried away.", "{item}被带走了。"),
    Words("Let the {item} disappear from here.", "让{item}从这里消失。"),
    Words("A stranger takes the {item} home.", "一个路人把{item}带回家。"),
)
_IS_TAKEN = Words("What somebody carries away no longer lies there.", "被带走的东西不再留在原地。")


def make_litter(rng: random.Random) -> Setting:
    """Draw two different things and three bins in any order; each thing goes into its bin, or away."""
    items = rng.sample(sorted(_BIN_OF), 2)
    colours = rng.sample(("blue", "green", "red"), 3)
    ground = rng.randint(43, 46)
    bins = [Thing("bin", colour, 14 + 18 * i, ground, 13) for i, colour in enumerate(colours)]
    litter = [Thing(item, "black", x, ground + 17, 12) for item, x in zip(items, _PLACES, strict=True)]
    source = Scene("meadow", (*litter, *bins), horizon=rng.randint(35, 39), cloud=rng.choice((None, 20, 44)))
    changes = []
    for index, (item, side) in enumerate(zip(items, ("left", "right"), strict=True)):
        place = colours.index(_BIN_OF[item])
        slots = {
            "item": KIND_WORDS[item],
            "use": _USE_OF[item],
            "bin": COLOUR_WORDS[_BIN_OF[item]],
            "where": _WHERE[place],
            "side": SIDE_WORDS[side],
        }
        binned = source.changing(index, x=bins[place].x, y=ground - 11)
        taken = (Reason("litter_take", _IS_TAKEN, medium=_TAKEN_MEDIUM, hard=_TAKEN[item]),)
        changes.append(Change(binned, _INTO_BIN, _INTO_BIN_REASONS, slots, ("recycling",), "which:binned"))
        changes.append(Change(source.without(index), _AWAY, taken, slots, ("recycling",), "which:taken"))
    order = dict(zip(("first", "second", "third"), (COLOUR_WORDS[colour] for colour in colours), strict=True))
    told = {**order, "left": _shown(items[0]), "right": _shown(items[1])}
    return Setting(source, fill(_DESCRIPTION, told), tuple(changes))


def _shown(item: str) -> Words:
    article = "an" if item == "apple" else "a"
    return Words(f"{article} {KIND_WORDS[item].en}", KIND_WORDS[item].zh)


LITTER = SettingKind(make_litter, ("litter_sort", "litter_collect", "litter_take"))
"""The setting of the three bins."""
