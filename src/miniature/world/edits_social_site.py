"""A building site: a worker at a brick wall and a visitor at a tree, with or without a hard hat."""

from __future__ import annotations

import random

from src.miniature.world.phrasing import SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, clothed, fill
from src.miniature.world.scene import Scene, Side, Thing, opposite, towards

_SIDES: tuple[Side, ...] = ("left", "right")
_CLOTHES = ("red", "orange", "blue", "purple")
_HATS = ("", "helmet")
_HAT_WORDS = {"": Words("without a hard hat", "没戴安全帽"), "helmet": Words("with a hard hat", "戴着安全帽")}

_DESCRIPTION = Words(
    "A worker {worker} at a brick wall on the {side}, a visitor {visitor} at a tree on the {other}.",
    "{side}边砖墙旁的工人{worker}，{other}边树旁的访客{visitor}。",
)
_HAT_ON = (
    Words("Put a yellow hard hat on the {thing}.", "给{thing}戴上黄色的安全帽。"),
    Words("Draw a yellow hard hat on top of the {thing} on the {side}.", "在{side}边{thing}的头上画黄色的安全帽。"),
    Words("Add a yellow hard hat to the person on the {side}.", "给{side}边的人加上黄色的安全帽。"),
    Words("Draw a yellow hat on the head of the {thing}.", "在{thing}的头上画黄色的帽子。"),
)
_HAT_OFF = (
    Words("Remove the yellow hard hat from the {thing}.", "去掉{thing}的黄色安全帽。"),
    Words("Erase the yellow hard hat on top of the {thing} on the {side}.", "擦掉{side}边{thing}头上的黄色安全帽。"),
    Words("Take the hard hat off the person on the {side}.", "把{side}边的人的安全帽去掉。"),
    Words("Draw the {thing} without the yellow hat.", "把{thing}画成不戴黄色的帽子。"),
)
_AWAY = (
    Words("Remove the {thing} on the {side}.", "去掉{side}边{thing}。"),
    Words("Erase the {thing}.", "擦掉{thing}。"),
    Words("Take the {thing} away and keep the rest.", "把{thing}去掉，其余不变。"),
    Words("Draw only the ground in place of the {thing}.", "在{thing}的地方只画地面。"),
)
_WEARS = Words("On a building site people wear hard hats against falling bricks.", "工地上要戴安全帽，防备掉落的砖块。")
_NEEDS_NONE = Words("Who is done on the building site needs no hard hat.", "离开工作的人不再需要安全帽。")
_GONE = Words("Who goes away is no longer seen on the building site.", "离开的人不再出现在工地上。")
_RULES = {
    ("worker", "helmet"): Reason(
        "site_rules",
        _WEARS,
        medium=(
            Words("Give the worker a hard hat.", "给工人一顶安全帽。"),
            Words("Protect the head of the person at the wall.", "保护墙边的人的头部。"),
            Words("The builder puts on a helmet.", "建筑工戴上头盔。"),
            Words("The worker covers the head as required.", "工人按规定护住头部。"),
        ),
        hard=(
            Words("The safety inspector looks at the wall and the worker obeys.", "安全检查员来看砖墙，工人遵守规定。"),
            Words("Bricks may fall from the wall, but the worker stays unhurt.", "墙上可能掉砖，但工人不会受伤。"),
            Words("The worker now starts the shift as the rules demand.", "工人按规定开始上班。"),
            Words("The foreman reminds the worker of the danger above.", "工头提醒工人注意上方的危险。"),
        ),
    ),
    ("worker", ""): Reason(
        "site_rules",
        _NEEDS_NONE,
        medium=(
            Words("The worker gives the hard hat back.", "工人交还安全帽。"),
            Words("Bare the head of the person at the wall.", "让墙边的人露出头。"),
            Words("The builder takes off the helmet.", "建筑工摘下头盔。"),
            Words("The worker uncovers the head.", "工人露出头来。"),
        ),
        hard=(
            Words("The worker's shift is over and the equipment is handed in.", "工人下班了，交回了装备。"),
            Words("The worker wants to scratch the top of the head.", "工人想挠一挠头顶。"),
            Words("The wall is finished and the worker needs no protection now.", "墙砌完了，工人不再需要保护。"),
            Words("A barber comes to the worker at the wall.", "理发师来给墙边的工人理发。"),
        ),
    ),
    ("visitor", "helmet"): Reason(
        "site_rules",
        _WEARS,
        medium=(
            Words("Give the visitor a hard hat.", "给访客一顶安全帽。"),
            Words("Protect the head of the person at the tree.", "保护树旁的人的头部。"),
            Words("The guest puts on a helmet.", "客人戴上头盔。"),
            Words("The visitor covers the head as required.", "访客按规定护住头部。"),
        ),
        hard=(
            Words("The visitor is about to be shown around the building site.", "访客马上要参观工地。"),
            Words(
                "The safety inspector reminds the guest at the tree of the rules.", "安全检查员提醒树旁的客人守规定。"
            ),
            Words("The visitor becomes a builder from today.", "访客从今天起当建筑工。"),
            Words("Nuts drop from the tree, but the visitor stays unhurt.", "树上掉果子，但访客不会受伤。"),
        ),
    ),
    ("visitor", ""): Reason(
        "site_rules",
        _NEEDS_NONE,
        medium=(
            Words("The visitor gives the hard hat back.", "访客交还安全帽。"),
            Words("Bare the head of the person at the tree.", "让树旁的人露出头。"),
            Words("The guest takes off the helmet.", "客人摘下头盔。"),
            Words("The visitor uncovers the head.", "访客露出头来。"),
        ),
        hard=(
            Words("The visitor's tour of the building site is over.", "访客参观完了工地。"),
            Words("The guest at the tree returns what was lent for the visit.", "树旁的客人归还参观时借的东西。"),
            Words("The visitor wants to feel the wind in the hair.", "访客想让风吹吹头发。"),
            Words("A barber comes to the visitor at the tree.", "理发师来给树旁的访客理发。"),
        ),
    ),
}
_LEAVES = {
    "worker": Reason(
        "site_leave",
        _GONE,
        medium=(
            Words("The worker leaves the site.", "工人离开工地。"),
            Words("Let the person at the wall go home.", "让墙边的人回家。"),
            Words("Nobody stands at the wall any more.", "砖墙旁不再有人。"),
            Words("The builder walks out of the picture.", "建筑工走出了画面。"),
        ),
        hard=(
            Words("The worker goes to lunch in the town.", "工人到城里吃午饭去了。"),
            Words("The worker has a day off, only the guest is here.", "工人今天休息，只有客人在。"),
            Words("The worker is called to another building site.", "工人被叫到另一个工地。"),
            Words("The builder has caught a cold and lies in bed.", "建筑工感冒了，躺在床上。"),
        ),
    ),
    "visitor": Reason(
        "site_leave",
        _GONE,
        medium=(
            Words("The visitor leaves the site.", "访客离开工地。"),
            Words("Let the person at the tree go home.", "让树旁的人回家。"),
            Words("Nobody stands at the tree any more.", "树旁不再有人。"),
            Words("The guest walks out of the picture.", "客人走出了画面。"),
        ),
        hard=(
            Words("The visitor has to catch a train.", "访客要去赶火车。"),
            Words("Strangers may not enter today, only staff is here.", "今天外人不得入内，只有工作人员在。"),
            Words("The visitor has seen enough and drives home.", "访客看够了，开车回家。"),
            Words("The guest has fallen ill and lies in bed.", "客人生病了，躺在床上。"),
        ),
    ),
}


def make_site(rng: random.Random) -> Setting:
    """Draw the two people, each with a hat or without; hats come and go, and so do people."""
    side = rng.choice(_SIDES)
    out = towards(side)
    colours = dict(zip(("worker", "visitor"), rng.sample(_CLOTHES, 2), strict=True))
    hats = {"worker": rng.choice(_HATS), "visitor": rng.choice(_HATS)}
    ground = rng.randint(51, 56)
    things = (
        Thing("bricks", "red", 32 + out * 22, ground - 1, 18),
        Thing("tree", "green", 32 - out * 23, ground - 2, 15),
        Thing("person", colours["worker"], 32 + out * 7, ground + 1, 21, hats["worker"]),
        Thing("person", colours["visitor"], 32 - out * 9, ground + 1, 21, hats["visitor"]),
    )
    source = Scene("meadow", things, horizon=rng.randint(34, 38), cloud=rng.choice((None, 32)))
    sides = {"worker": side, "visitor": opposite(side)}
    changes = []
    for who, index in (("worker", 2), ("visitor", 3)):
        slots = {"thing": clothed(colours[who]), "side": SIDE_WORDS[sides[who]]}
        hat = "" if hats[who] else "helmet"
        pair = "which:hat" if hats["worker"] == hats["visitor"] else ""
        words, tags = _HAT_ON if hat else _HAT_OFF, ("safety", "work")
        changes.append(Change(source.changing(index, state=hat), words, (_RULES[who, hat],), slots, tags, pair))
        changes.append(Change(source.without(index), _AWAY, (_LEAVES[who],), slots, tags, "which:leaver"))
    told = {who: _HAT_WORDS[hat] for who, hat in hats.items()}
    places = {"side": SIDE_WORDS[side], "other": SIDE_WORDS[opposite(side)]}
    return Setting(source, fill(_DESCRIPTION, {**told, **places}), tuple(changes))


SITE = SettingKind(make_site, ("site_rules", "site_leave"))
"""The setting of the building site."""
