"""Three people queue at a booth, a fourth one stands apart."""

from __future__ import annotations

import random

from src.miniature.world.phrasing import SIDE_WORDS, Change, Reason, Setting, SettingKind, Slots, Words, clothed, fill
from src.miniature.world.scene import Scene, Side, Thing, opposite, towards

_SIDES: tuple[Side, ...] = ("left", "right")
_CLOTHES = ("red", "orange", "yellow", "blue", "purple")
_APART = 4

_DESCRIPTION = Words(
    "Three people queue at a booth on the {front}; the {thing} stands apart in front of them.",
    "三个人在{front}边的售票亭排队，{thing}站在队伍外面。",
)
_TO_FRONT = (
    Words("Move the {thing} to the front of the queue, beside the booth.", "把{thing}移到队伍最前面，售票亭旁边。"),
    Words("Put the {thing} between the booth and the queue.", "把{thing}放到售票亭和队伍之间。"),
    Words(
        "Draw the {thing} as the first one, next to the booth on the {front}.",
        "把{thing}画成第一个，在{front}边售票亭旁。",
    ),
    Words("Move the {thing} to the {front} end of the row of people.", "把{thing}移到这排人的最{front}边。"),
)
_TO_END = (
    Words("Move the {thing} to the end of the queue, far from the booth.", "把{thing}移到队伍最后面，远离售票亭。"),
    Words("Put the {thing} behind the last person on the {back}.", "把{thing}放到{back}边最后一个人的后面。"),
    Words("Draw the {thing} as the last one, at the {back} edge.", "把{thing}画成最后一个，在{back}边缘。"),
    Words("Move the {thing} to the {back} end of the row of people.", "把{thing}移到这排人的最{back}边。"),
)
_AWAY = (
    Words("Remove the {thing} {place}.", "去掉{place}{thing}。"),
    Words("Erase the {thing}.", "擦掉{thing}。"),
    Words("Take the {thing} away and keep the other people.", "把{thing}去掉，其他人不变。"),
    Words("Draw only the ground in place of the {thing}.", "在{thing}的地方只画地面。"),
)
_FRONT_REASONS = (
    Reason(
        "queue_order",
        Words("Who came first stands at the front of the queue.", "先来的人排在队伍最前面。"),
        medium=(
            Words("Let the {thing} queue up at the front.", "让{thing}排到最前面。"),
            Words("The {thing} is served first.", "先轮到{thing}。"),
            Words("Give the {thing} the first place in the queue.", "让{thing}排第一。"),
            Words("The {thing} lines up ahead of all others.", "{thing}排在所有人前面。"),
        ),
        hard=(
            Words("The {thing} was here before all others.", "{thing}比所有人都来得早。"),
            Words("The {thing} had the first place and only went to fetch money.", "{thing}本来排第一，只是去取了钱。"),
            Words("Everyone else arrived later than the {thing}.", "其他人都比{thing}来得晚。"),
            Words("The {thing} holds the ticket with number one.", "{thing}拿的是一号。"),
        ),
    ),
    Reason(
        "queue_kindness",
        Words("Polite people let those in need go first.", "有礼貌的人让有需要的人先办。"),
        medium=(
            Words("The others let the {thing} go first.", "其他人让{thing}先来。"),
            Words("Everybody gives way to the {thing}.", "大家都给{thing}让位。"),
            Words("The {thing} gets priority in the queue.", "{thing}在队伍里优先。"),
            Words("All kindly step back behind the {thing}.", "大家好心地退到{thing}后面。"),
        ),
        hard=(
            Words("The {thing} is expecting a baby and should not stand long.", "{thing}怀孕了，不该久站。"),
            Words("The {thing} is very old, and the others are polite.", "{thing}年纪很大，其他人都很有礼貌。"),
            Words(
                "The train of the {thing} leaves in a minute, the others have time.",
                "{thing}的火车马上要开，其他人不急。",
            ),
            Words("The {thing} feels ill, and the others are kind.", "{thing}身体不舒服，其他人都很体贴。"),
        ),
    ),
)
_END_REASONS = (
    Reason(
        "queue_order",
        Words("Who came last stands at the end of the queue.", "最后来的人排在队尾。"),
        medium=(
            Words("Let the {thing} queue up at the back.", "让{thing}排到最后面。"),
            Words("The {thing} is served last.", "最后轮到{thing}。"),
            Words("Give the {thing} the last place in the queue.", "让{thing}排末位。"),
            Words("The {thing} lines up after all others.", "{thing}排在所有人后面。"),
        ),
        hard=(
            Words("The {thing} came later than all others.", "{thing}比所有人都来得晚。"),
            Words("The {thing} tried to jump the queue and makes it right.", "{thing}想插队，现在改正了。"),
            Words("Everyone else was here before the {thing}.", "其他人都比{thing}先到。"),
            Words("The {thing} has just arrived and waits fairly.", "{thing}刚刚到，按规矩等候。"),
        ),
    ),
    Reason(
        "queue_kindness",
        Words("Who is in no hurry may let all others go first.", "不着急的人可以让别人先办。"),
        medium=(
            Words("The {thing} lets the others go first.", "{thing}让其他人先来。"),
            Words("The {thing} gives way to everybody.", "{thing}给大家让位。"),
            Words("The others get priority over the {thing}.", "其他人比{thing}优先。"),
            Words("The {thing} kindly steps back behind all.", "{thing}好心地退到大家后面。"),
        ),
        hard=(
            Words("The {thing} has the whole day off, the others are in a hurry.", "{thing}今天休息，其他人都赶时间。"),
            Words("The {thing} is young and polite, the others are old.", "{thing}年轻有礼貌，其他人都年老。"),
            Words("The {thing} does not mind the longest wait.", "{thing}不介意等得最久。"),
            Words("The {thing} is healthy, the others feel ill.", "{thing}身体健康，其他人都不舒服。"),
        ),
    ),
)
_GONE = Words("Who goes away is no longer seen at the booth.", "离开的人不再出现在售票亭前。")
_LEAVE = {
    "first": Reason(
        "queue_leave",
        _GONE,
        medium=(
            Words("The first one in the queue leaves.", "排第一的人离开了。"),
            Words("Let the person next to the booth go.", "让售票亭旁的人离开。"),
            Words("The front of the queue goes home.", "排在最前面的人回家了。"),
            Words("Whoever is first in the queue walks away.", "排在头一个的人走了。"),
        ),
        hard=(
            Words("The first customer has bought a ticket.", "第一位顾客已经买好了票。"),
            Words("One person has just been served and is done.", "有一个人刚刚办完了事。"),
            Words("The seller says goodbye to the customer at the window.", "售票员向窗口前的顾客道别。"),
            Words("Someone has just paid at the window and pockets the change.", "有人刚在窗口付完钱，收好了找零。"),
        ),
    ),
    "last": Reason(
        "queue_leave",
        _GONE,
        medium=(
            Words("The last one in the queue leaves.", "排最后的人离开了。"),
            Words("Let the person farthest from the booth go.", "让离售票亭最远的人离开。"),
            Words("The end of the queue goes home.", "排在最后面的人回家了。"),
            Words("Whoever is last in the queue walks away.", "排在末尾的人走了。"),
        ),
        hard=(
            Words("The one with the longest wait ahead loses patience.", "还要等最久的人失去了耐心。"),
            Words("The latest to join the queue gives up.", "最晚来排队的人放弃了。"),
            Words("Tickets are left for the first two in line only.", "票只够排在前面的两个人。"),
            Words("The person at the tail of the line is called home.", "队尾的人被叫回家了。"),
        ),
    ),
    "apart": Reason(
        "queue_leave",
        _GONE,
        medium=(
            Words("The one outside the queue leaves.", "队伍外面的人离开了。"),
            Words("Let the person who stands apart go.", "让站在一旁的人离开。"),
            Words("The one who does not queue goes home.", "没有排队的人回家了。"),
            Words("Whoever is not in line walks away.", "不在队里的人走了。"),
        ),
        hard=(
            Words("The onlooker needs no ticket and has seen enough.", "旁观的人不买票，也看够了。"),
            Words("The one who only accompanied a friend is tired of standing about.", "只是陪朋友来的人站累了。"),
            Words("Only those who really queue stay here.", "只有真正排队的人留下。"),
            Words("The person without a place in line thinks better of it.", "没排进队的人改变了主意。"),
        ),
    ),
}
_PLACE = {
    "first": Words("beside the booth", "售票亭旁"),
    "last": Words("at the end of the queue", "队尾"),
    "apart": Words("outside the queue", "队伍外面"),
}


def make_queue(rng: random.Random) -> Setting:
    """Draw the queue with free places at both ends; the fourth person joins at either, or somebody leaves."""
    front = rng.choice(_SIDES)
    away = towards(opposite(front))
    start = 32 - away * 32
    colours = rng.sample(_CLOTHES, 4)
    ground, spots = rng.randint(43, 45), [start + away * (20 + 10 * i) for i in range(5)]
    queue = [Thing("person", colour, x, ground, 17) for colour, x in zip(colours[:3], spots[1:4], strict=True)]
    apart = Thing("person", colours[3], spots[2], ground + 17, 17)
    things = (Thing("kiosk", "red", start + away * 8, ground, 14), *queue, apart)
    source = Scene("meadow", things, horizon=rng.randint(33, 36), cloud=rng.choice((None, 32)))
    slots = {"thing": clothed(colours[3]), "front": SIDE_WORDS[front], "back": SIDE_WORDS[opposite(front)]}
    tags = ("fairness", "queue")
    changes = [
        Change(source.changing(_APART, x=spots[0], y=ground), _TO_FRONT, _FRONT_REASONS, slots, tags, "side:newcomer"),
        Change(source.changing(_APART, x=spots[4], y=ground), _TO_END, _END_REASONS, slots, tags, "side:newcomer"),
    ]
    for who, index in (("first", 1), ("last", 3), ("apart", _APART)):
        leaver: Slots = {"thing": clothed(things[index].colour), "place": _PLACE[who]}
        pair = "" if who == "apart" else "which:leaver"
        changes.append(Change(source.without(index), _AWAY, (_LEAVE[who],), leaver, tags, pair))
    return Setting(source, fill(_DESCRIPTION, slots), tuple(changes))


QUEUE = SettingKind(make_queue, ("queue_order", "queue_kindness", "queue_leave"))
"""The setting of the queue."""
