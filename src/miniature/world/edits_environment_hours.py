"""The hours of a day: noon, sunset and midnight, the side of the sun, and a cloud in the wind."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.edits_environment_place import place
from src.miniature.world.phrasing import SIDE_WORDS, Change, Reason, Setting, SettingKind, Words, fill
from src.miniature.world.scene import Scene, Side, Time, opposite

_SIDES: tuple[Side, ...] = ("left", "right")
_TIMES: tuple[Time, ...] = ("day", "sunset", "night")
_MIDDLE = 32
_CLOUD_AT = {"left": 22, "right": 42}

_DESCRIPTION = Words(
    "A house, a tree and a cloud {time}, the {disc} on the {sun}.",
    "{time}有一座房子、一棵树和一朵云，{disc}在{sun}边。",
)
_TIME_WORDS = {
    "day": Words("in bright daylight", "明亮的白天"),
    "sunset": Words("at sunset", "日落时"),
    "night": Words("at night", "夜里"),
}
_LATER = {
    ("day", "night"): Words("twelve hours later", "十二小时后"),
    ("day", "sunset"): Words("six hours later", "六小时后"),
    ("sunset", "night"): Words("six hours later", "六小时后"),
    ("sunset", "day"): Words("six hours earlier", "六小时前"),
    ("night", "day"): Words("twelve hours later", "十二小时后"),
    ("night", "sunset"): Words("six hours earlier", "六小时前"),
}
_EXPLICIT: dict[Time, tuple[Words, ...]] = {
    "day": (
        Words(
            "Paint the sky light blue and draw a yellow sun at the upper {sun}.",
            "把天空涂成浅蓝色，在{sun}上角画黄色的太阳。",
        ),
        Words(
            "Draw a light blue sky, a yellow sun on the upper {sun} and bright ground.",
            "画浅蓝色的天空，{sun}上角黄色的太阳，地面明亮。",
        ),
        Words(
            "Make the sky light blue, the sun yellow and high on the {sun}.",
            "让天空变成浅蓝色，黄色的太阳高挂在{sun}边。",
        ),
        Words("Put a yellow sun high on the {sun} into a light blue sky.", "在浅蓝色的天空{sun}上角放黄色的太阳。"),
    ),
    "sunset": (
        Words(
            "Paint the sky orange and draw a red sun on the horizon at the {sun}.",
            "把天空涂成橙色，在{sun}边地平线上画红色的太阳。",
        ),
        Words(
            "Draw an orange sky, a low red sun on the {sun} and long shadows.",
            "画橙色的天空，{sun}边低低的红色太阳，影子很长。",
        ),
        Words("Make the sky orange, the sun red and low on the {sun}.", "让天空变成橙色，红色的太阳低挂在{sun}边。"),
        Words(
            "Put a red sun on the horizon at the {sun} into an orange sky.", "在橙色的天空{sun}边地平线上放红色的太阳。"
        ),
    ),
    "night": (
        Words(
            "Paint the sky dark blue, draw a white moon at the upper {sun} and yellow windows.",
            "把天空涂成深蓝色，在{sun}上角画白色的月亮，窗户黄色。",
        ),
        Words(
            "Draw a dark blue sky, a white moon on the upper {sun} and dark ground.",
            "画深蓝色的天空，{sun}上角白色的月亮，地面变暗。",
        ),
        Words(
            "Make the sky dark blue, the ground dark, the windows yellow.", "让天空变成深蓝色，地面变暗，窗户变黄色。"
        ),
        Words("Put a white moon on the upper {sun} into a dark blue sky.", "在深蓝色的天空{sun}上角放白色的月亮。"),
    ),
}
_DAY_LOOKS = Words(
    "At noon the sky is blue, the sun stands high and shadows are short.", "中午天空是蓝色，太阳高挂，影子很短。"
)
_SUNSET_LOOKS = Words(
    "At sunset the sun is low and red, the sky orange, shadows are long.", "日落时太阳又低又红，天空橙色，影子很长。"
)
_NIGHT_LOOKS = Words(
    "At night the sky is dark, the moon shines and windows are lit.", "夜里天空变暗，月亮升起，窗户亮灯。"
)
_REASONS: dict[Time, tuple[Reason, ...]] = {
    "day": (
        Reason(
            "hour_clock",
            _DAY_LOOKS,
            medium=(
                Words("Turn the scene into bright day.", "把场景变成明亮的白天。"),
                Words("Make it noon.", "变成中午。"),
                Words("Show this place at midday.", "展示这个地方正午的样子。"),
                Words("Change the time to the middle of the day.", "把时间换成大白天。"),
            ),
            hard=(
                Words("The clock on the tower strikes noon.", "塔楼的钟敲响了正午十二点。"),
                Words("Half of the working day is over now.", "现在一天的工作过了一半。"),
                Words("Show the same place {later}.", "展示{later}的同一个地方。"),
                Words("The sundial shows twelve.", "日晷指着十二点。"),
            ),
        ),
        Reason(
            "hour_life",
            _DAY_LOOKS,
            medium=(
                Words("Give this place full daylight.", "让这个地方充满日光。"),
                Words("Let the high sun light the place.", "让高高的太阳照亮这里。"),
                Words("Make the day as bright as it gets.", "让白天亮到极点。"),
                Words("Have the sun at its highest.", "让太阳升到最高处。"),
            ),
            hard=(
                Words("Workers sit down for lunch.", "工人们坐下来吃午饭。"),
                Words(
                    "The owls are fast asleep and children have their long break at school.",
                    "猫头鹰熟睡，孩子们在学校午休。",
                ),
                Words("People put on sunglasses and look for shade.", "人们戴上墨镜找阴凉。"),
                Words("The postman makes his round and shops are busy.", "邮递员在送信，商店很热闹。"),
            ),
        ),
    ),
    "sunset": (
        Reason(
            "hour_clock",
            _SUNSET_LOOKS,
            medium=(
                Words("Turn the scene into sunset.", "把场景变成日落。"),
                Words("Make the sun go down just now.", "让太阳正在落下。"),
                Words("Show this place at sundown.", "展示这个地方黄昏的样子。"),
                Words("Change the time to the evening glow.", "把时间换成晚霞满天。"),
            ),
            hard=(
                Words("Only the last minutes of daylight are left.", "白天只剩最后几分钟。"),
                Words("The day ends and darkness is near.", "一天将尽，黑暗临近。"),
                Words("Show the same place {later}.", "展示{later}的同一个地方。"),
                Words("The clock strikes six on an evening in March.", "三月的傍晚，钟敲了六下。"),
            ),
        ),
        Reason(
            "hour_life",
            _SUNSET_LOOKS,
            medium=(
                Words("Give this place the light of the setting sun.", "让落日照着这个地方。"),
                Words("Let the low red sun light the place.", "让低低的红日照着这里。"),
                Words("Make the sky glow as the sun sinks.", "太阳下沉，让天空发红。"),
                Words("Have the sun at the end of its way.", "让太阳走到路的尽头。"),
            ),
            hard=(
                Words(
                    "Birds fly back to their nests and farmers walk home from the fields.", "鸟儿归巢，农夫从田里回家。"
                ),
                Words("Lovers on a bench watch the sun vanish.", "恋人坐在长椅上看太阳消失。"),
                Words("Hens go to roost while the sky burns.", "天空像火烧一样，母鸡进窝了。"),
                Words("The painter hurries to catch the glowing red of the evening.", "画家赶着画下傍晚的红光。"),
            ),
        ),
    ),
    "night": (
        Reason(
            "hour_clock",
            _NIGHT_LOOKS,
            medium=(
                Words("Turn the scene into night.", "把场景变成夜晚。"),
                Words("Make it midnight.", "变成半夜。"),
                Words("Show this place in the dark hours.", "展示这个地方深夜的样子。"),
                Words("Change the time to the middle of the night.", "把时间换成三更半夜。"),
            ),
            hard=(
                Words("The clocks strike midnight.", "钟敲响了午夜十二点。"),
                Words("A new date begins at this very moment.", "就在此刻，新的一天开始了。"),
                Words("Show the same place {later}.", "展示{later}的同一个地方。"),
                Words("It is three hours before the first cock crows.", "离第一声鸡叫还有三个小时。"),
            ),
        ),
        Reason(
            "hour_life",
            _NIGHT_LOOKS,
            medium=(
                Words("Give this place the light of the moon.", "让月光照着这个地方。"),
                Words("Let the place lie in darkness.", "让这里一片黑暗。"),
                Words("Make everything dark but the windows.", "除了窗户，让一切变暗。"),
                Words("Have the moon in the sky.", "让月亮挂在天上。"),
            ),
            hard=(
                Words("The owls hunt and people switch on their lamps.", "猫头鹰捕猎，人们点亮了灯。"),
                Words("The children lie in bed and dream.", "孩子们躺在床上做梦。"),
                Words("A watchman walks around with his torch.", "守夜人打着手电巡逻。"),
                Words("Bats flutter about and astronomers look at the stars.", "蝙蝠飞来飞去，天文学家观星。"),
            ),
        ),
    ),
}
_SUN_EXPLICIT = (
    Words("Move the sun to the {sun} side and draw the shadows to the {old}.", "把太阳移到{sun}边，影子画到{old}边。"),
    Words("Remove the sun on the {old} and draw it on the {sun}.", "去掉{old}边的太阳，在{sun}边画太阳。"),
    Words("Put the sun on the {sun}, the shadows on the {old}.", "把太阳放到{sun}边，影子放到{old}边。"),
    Words("Draw the sun on the {sun} instead of the {old}.", "把太阳画在{sun}边，不在{old}边。"),
)
_SUN_REASON = Reason(
    "sun_shadow",
    Words(
        "Shadows fall away from the sun: from the {sun} to the {old}.",
        "影子背向太阳，太阳在{sun}边，影子就在{old}边。",
    ),
    medium=(
        Words("Let the sun shine from the {sun}.", "让太阳从{sun}边照过来。"),
        Words("Turn the light so that it comes from the {sun}.", "让光线从{sun}边来。"),
        Words("Change the direction of the sunlight to the {sun}.", "把阳光的方向换到{sun}边。"),
        Words("The sun now stands on the {sun}.", "太阳现在在{sun}边。"),
    ),
    hard=(
        Words("Everything throws its shadow to the {old}.", "所有东西的影子都落在{old}边。"),
        Words("The ground on the {old} of the house lies in the shade.", "房子{old}侧的地面照不到光。"),
        Words("Who seeks shade sits down on the {old} of the tree.", "想乘凉的人坐到树的{old}侧。"),
        Words("The wall on the {sun} of the house gets warm.", "房子{sun}侧的墙晒暖了。"),
    ),
)
_DRIFT_EXPLICIT = (
    Words("Move the cloud to the {to}.", "把云移到{to}边。"),
    Words("Remove the cloud in the middle and draw it on the {to}.", "去掉中间的云，画在{to}边。"),
    Words("Put the cloud on the {to} of the middle.", "把云放到中间偏{to}的地方。"),
    Words("Draw the cloud farther to the {to}.", "把云画得更靠{to}边。"),
)
_DRIFT_REASON = Reason(
    "cloud_wind",
    Words("Wind from the {source} drives the cloud to the {to}.", "从{source}边吹来的风把云推向{to}边。"),
    medium=(
        Words("Let the cloud drift to the {to}.", "让云飘向{to}边。"),
        Words("The cloud sails off to the {to}.", "云往{to}边飘去。"),
        Words("Blow the cloud to the {to} side.", "把云吹到{to}边。"),
        Words("The cloud wanders {to}.", "云朵往{to}走。"),
    ),
    hard=(
        Words("A wind springs up from the {source}.", "从{source}边刮起了风。"),
        Words("High above, the air now streams to the {to}.", "高空的气流正流向{to}边。"),
        Words("A kite up there would be carried to the {to}.", "天上的风筝会被带到{to}边。"),
        Words("The weather vane turns, the breeze comes from the {source}.", "风向标转了，风从{source}边来。"),
    ),
)
_CLEAR_EXPLICIT = (
    Words("Remove the cloud.", "去掉云。"),
    Words("Erase the cloud from the sky.", "擦掉天上的云。"),
    Words("Draw only the sky in place of the cloud.", "在云的地方只画天空。"),
    Words("Take the cloud away and keep the rest.", "把云去掉，其余不变。"),
)
_CLEAR_REASON = Reason(
    "cloud_wind",
    Words("Dry air dissolves the cloud.", "干燥的空气让云消散。"),
    medium=(
        Words("Let the cloud dissolve.", "让云消散。"),
        Words("The cloud vanishes without a trace.", "云消失得无影无踪。"),
        Words("Clear the sky of clouds.", "让天上没有云。"),
        Words("The cloud melts away.", "云慢慢散尽。"),
    ),
    hard=(
        Words("Very dry air flows in high above.", "高空涌来非常干燥的空气。"),
        Words("A pilot reports that nothing covers the sky.", "飞行员报告天空毫无遮挡。"),
        Words("Not the smallest bit of vapour is left up there.", "天上一丝水汽都没有了。"),
        Words("The forecast for this hour says completely cloudless.", "预报说此刻万里无云。"),
    ),
)


def make_hours(rng: random.Random) -> Setting:
    """Draw noon, sunset or midnight with a cloud in the middle of the sky."""
    time, sun = rng.choice(_TIMES), rng.choice(_SIDES)
    source = Scene("meadow", place(rng), rng.randint(38, 42), time=time, sun=sun, cloud=_MIDDLE)
    changes = []
    for other in (name for name in _TIMES if name != time):
        slots = {"sun": SIDE_WORDS[sun], "later": _LATER[time, other]}
        pair = "light:day and night" if time == "sunset" else ""
        target = replace(source, time=other)
        changes.append(Change(target, _EXPLICIT[other], _REASONS[other], slots, ("time of day", "light"), pair))
    if time != "night":
        slots = {"sun": SIDE_WORDS[opposite(sun)], "old": SIDE_WORDS[sun]}
        target = replace(source, sun=opposite(sun))
        changes.append(Change(target, _SUN_EXPLICIT, (_SUN_REASON,), slots, ("light", "shadow")))
    for side in _SIDES:
        slots = {"to": SIDE_WORDS[side], "source": SIDE_WORDS[opposite(side)]}
        target = replace(source, cloud=_CLOUD_AT[side])
        changes.append(Change(target, _DRIFT_EXPLICIT, (_DRIFT_REASON,), slots, ("wind", "cloud"), "side:cloud"))
    changes.append(Change(replace(source, cloud=None), _CLEAR_EXPLICIT, (_CLEAR_REASON,), {}, ("cloud",)))
    disc = Words("moon", "月亮") if time == "night" else Words("sun", "太阳")
    told = {"time": _TIME_WORDS[time], "disc": disc, "sun": SIDE_WORDS[sun]}
    return Setting(source, fill(_DESCRIPTION, told), tuple(changes))


HOURS = SettingKind(make_hours, ("hour_clock", "hour_life", "sun_shadow", "cloud_wind"))
"""The setting of the hours of a day."""
