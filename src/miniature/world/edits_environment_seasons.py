"""The seasons: spring, summer, autumn, snowfall and a sunny winter day over the same place."""

from __future__ import annotations

import random
from dataclasses import replace

from src.miniature.world.edits_environment_place import place
from src.miniature.world.phrasing import Change, Reason, Setting, SettingKind, Words
from src.miniature.world.scene import Scene, Season, Weather

_LOOK: dict[str, tuple[Season, Weather]] = {
    "spring": ("spring", "clear"),
    "summer": ("summer", "clear"),
    "autumn": ("autumn", "clear"),
    "snowfall": ("winter", "snow"),
    "frost": ("winter", "clear"),
}
_OPPOSITES = {
    "spring": "season:spring and autumn",
    "autumn": "season:spring and autumn",
    "summer": "season:summer and winter",
    "frost": "season:summer and winter",
}
_DESCRIPTIONS = {
    "spring": Words("A house and a tree in bloom in spring.", "春天里有一座房子和一棵开花的树。"),
    "summer": Words("A house and a green tree in summer.", "夏天里有一座房子和一棵绿树。"),
    "autumn": Words("A house and an orange tree in autumn.", "秋天里有一座房子和一棵橙色的树。"),
    "snowfall": Words("A house and a tree in falling snow.", "下雪时有一座房子和一棵树。"),
    "frost": Words("A house and a tree in snow on a sunny winter day.", "晴朗的冬日，雪地里有一座房子和一棵树。"),
}
_EXPLICIT = {
    "spring": (
        Words("Paint the tree pink and the ground light green{melt}.", "把树涂成粉色，地面涂成浅绿色{melt}。"),
        Words(
            "Draw pink blossoms on the tree and light green grass{melt}.", "在树上画粉色的花，地面画浅绿色的草{melt}。"
        ),
        Words(
            "Make the tree pink, the grass light green{melt}.",
            "让树变成粉色，草变成浅绿色{melt}。",
        ),
        Words(
            "Put pink flowers on the tree and light green on the ground{melt}.",
            "树上放粉色的花，地面放浅绿色{melt}。",
        ),
    ),
    "summer": (
        Words("Paint the tree dark green and the ground green{melt}.", "把树涂成深绿色，地面涂成绿色{melt}。"),
        Words(
            "Draw dark green leaves on the tree and green grass{melt}.", "在树上画深绿色的叶子，地面画绿色的草{melt}。"
        ),
        Words(
            "Make the tree dark green, the grass green{melt}.",
            "让树变成深绿色，草变成绿色{melt}。",
        ),
        Words(
            "Put dark green leaves on the tree and green on the ground{melt}.", "树上放深绿色的叶子，地面放绿色{melt}。"
        ),
    ),
    "autumn": (
        Words("Paint the tree orange and the ground brownish yellow{melt}.", "把树涂成橙色，地面涂成枯黄色{melt}。"),
        Words(
            "Draw orange leaves on the tree and brownish yellow grass{melt}.",
            "在树上画橙色的叶子，地面画枯黄色的草{melt}。",
        ),
        Words(
            "Make the tree orange, the grass brownish yellow{melt}.",
            "让树变成橙色，草变成枯黄色{melt}。",
        ),
        Words(
            "Put orange leaves on the tree and brownish yellow on the ground{melt}.",
            "树上放橙色的叶子，地面放枯黄色{melt}。",
        ),
    ),
    "snowfall": (
        Words(
            "Paint the ground and the roof white, the sky grey, and draw white flakes.",
            "把地面和屋顶涂成白色，天空灰色，画上白色的雪花。",
        ),
        Words(
            "Draw white snow on ground, roof and tree, a grey sky and white flakes.",
            "在地面、屋顶和树上画白雪，天空灰色，雪花飘飘。",
        ),
        Words(
            "Make the ground white, the sky grey without sun, add falling white flakes.",
            "让地面变白，天空灰色没有太阳，加上飘落的白雪花。",
        ),
        Words(
            "Put white flakes into a grey sky and white snow on the ground.", "在灰色的天空放白色的雪花，地面放白雪。"
        ),
    ),
    "frost": (
        Words(
            "Paint the ground and the roof white, the sky blue with a yellow sun.",
            "把地面和屋顶涂成白色，天空蓝色，有黄色的太阳。",
        ),
        Words(
            "Draw white snow on ground, roof and tree under a blue sky with sun.",
            "在地面、屋顶和树上画白雪，天空蓝色有太阳。",
        ),
        Words(
            "Make the ground white, the sky blue with a sun, without falling flakes.",
            "让地面变白，天空蓝色有太阳，没有雪花飘落。",
        ),
        Words(
            "Put a yellow sun into a blue sky and white snow on the ground.", "在蓝色的天空放黄色的太阳，地面放白雪。"
        ),
    ),
}
_MELT = {
    "snowfall": Words(", with sun, without snow", "，有太阳没有雪"),
    "frost": Words(", without snow", "，没有雪"),
}
"""What has to change besides if it is winter now."""

_WHY = {
    "spring": Words("In spring trees are in bloom and fresh grass grows.", "春天树木开花，嫩草生长。"),
    "summer": Words("In summer leaves and grass are green.", "夏天树叶和草都是绿色。"),
    "autumn": Words(
        "In autumn leaves turn orange and grass turns to the colour of straw.", "秋天树叶变成橙色，草地枯黄。"
    ),
    "snowfall": Words(
        "Falling snow covers ground, roof and tree, and its clouds hide the sun.",
        "落雪盖住地面、屋顶和树，雪云遮住太阳。",
    ),
    "frost": Words("On a clear winter day the sun shines on the snow that lies.", "晴朗的冬日，太阳照着积雪。"),
}
_CALENDAR_MEDIUM = {
    "spring": (
        Words("Turn the season into spring.", "把季节变成春天。"),
        Words("Make it spring.", "让这里变成春天。"),
        Words("Show this place in spring.", "展示这个地方春天的样子。"),
        Words("Change the time of year to spring.", "把时节换成春季。"),
    ),
    "summer": (
        Words("Turn the season into summer.", "把季节变成夏天。"),
        Words("Make it summer.", "让这里变成夏天。"),
        Words("Show this place in summer.", "展示这个地方夏天的样子。"),
        Words("Change the time of year to summer.", "把时节换成夏季。"),
    ),
    "autumn": (
        Words("Turn the season into autumn.", "把季节变成秋天。"),
        Words("Make it autumn.", "让这里变成秋天。"),
        Words("Show this place in autumn.", "展示这个地方秋天的样子。"),
        Words("Change the time of year to autumn.", "把时节换成秋季。"),
    ),
    "snowfall": (
        Words("Make it snow.", "让天下雪。"),
        Words("Turn the season into winter with falling snow.", "把季节变成正在下雪的冬天。"),
        Words("Show this place while it snows.", "展示这个地方下雪时的样子。"),
        Words("Change the time of year to winter, with a snowfall.", "把时节换成冬季，正下着雪。"),
    ),
    "frost": (
        Words("Make it a sunny winter day.", "让这里变成晴朗的冬日。"),
        Words("Turn the season into winter with sunshine.", "把季节变成阳光灿烂的冬天。"),
        Words("Show this place in snow and sun.", "展示这个地方雪后天晴的样子。"),
        Words("Change the time of year to winter, with a clear sky.", "把时节换成冬季，天空晴朗。"),
    ),
}
_CALENDAR_HARD = {
    "spring": (
        Words("The calendar shows a day in April.", "日历上是四月的一天。"),
        Words("Winter ended four weeks ago.", "冬天四个星期前结束了。"),
        Words("Easter is just around the corner.", "复活节就要到了。"),
        Words("Two months remain until the longest day of the year.", "离一年中最长的白天还有两个月。"),
    ),
    "summer": (
        Words("The calendar shows a day in July.", "日历上是七月的一天。"),
        Words("School is closed for the longest holidays of the year.", "学校放了一年中最长的假。"),
        Words("Show the hottest weeks of the year.", "展示一年中最热的几周。"),
        Words("Today the day is longer than on any other date.", "今天的白天比哪天都长。"),
    ),
    "autumn": (
        Words("The calendar shows a day in October.", "日历上是十月的一天。"),
        Words("Summer ended six weeks ago.", "夏天六个星期前结束了。"),
        Words("Halloween is just around the corner.", "万圣节就要到了。"),
        Words("Two months remain until the longest night of the year.", "离一年中最长的夜晚还有两个月。"),
    ),
    "snowfall": (
        Words(
            "It is a January day with thick clouds and something white comes down.",
            "一月的一天，乌云密布，白色的东西落下来。",
        ),
        Words("On Christmas Eve the clouds open and flakes dance.", "圣诞前夜，云里飘下片片雪花。"),
        Words("The thermometer falls below zero and the clouds let go their load.", "气温降到零下，云中落下了东西。"),
        Words(
            "In the darkest week of the year the roads vanish under new flakes.", "一年中最暗的一周，道路被新雪覆盖。"
        ),
    ),
    "frost": (
        Words("It is a cloudless January day, and last week's snow remains.", "一月无云的一天，上周的雪还在。"),
        Words("The morning after Christmas is white, blue and bright.", "圣诞节后的早晨，雪白天蓝。"),
        Words("The thermometer stays below zero although the sun shines.", "太阳照着，气温仍在零下。"),
        Words(
            "After the storm of February all clouds have gone, but nothing melts.",
            "二月的风雪过后云散了，但什么都没化。",
        ),
    ),
}
_NATURE_MEDIUM = {
    "spring": (
        Words("Let the tree burst into bloom.", "让树开满花。"),
        Words("Nature awakes in this place.", "这里的大自然苏醒了。"),
        Words("Give the tree its blossoms.", "给树开出花来。"),
        Words("The first flowers come out on the tree.", "树上开出第一批花。"),
    ),
    "summer": (
        Words("Let the tree be in full leaf.", "让树枝繁叶茂。"),
        Words("Nature is lush and green here.", "这里的大自然郁郁葱葱。"),
        Words("Give the tree its green leaves.", "给树长出绿叶。"),
        Words("All plants stand in full green.", "所有植物一片翠绿。"),
    ),
    "autumn": (
        Words("Let the leaves of the tree wither.", "让树叶枯黄。"),
        Words("Nature fades in this place.", "这里的大自然渐渐凋零。"),
        Words("Give the leaves their last colour.", "给树叶最后的颜色。"),
        Words("All plants lose their green.", "所有植物都褪去绿色。"),
    ),
    "snowfall": (
        Words("Let flakes come down on the tree.", "让雪花落到树上。"),
        Words("Nature is being wrapped in snow right now.", "大自然正被雪裹住。"),
        Words("Give the place a fresh snowfall.", "给这里下一场新雪。"),
        Words("Snow comes down on all plants.", "雪落在所有植物上。"),
    ),
    "frost": (
        Words("Let the snowy tree stand in the sun.", "让披雪的树立在阳光下。"),
        Words("Nature glitters under snow in the sunlight.", "大自然披着雪在阳光下闪光。"),
        Words("Give the place old snow and a clear sky.", "给这里积雪和晴空。"),
        Words("Snow lies on all plants in bright sunshine.", "灿烂的阳光下，雪盖着所有植物。"),
    ),
}
_NATURE_HARD = {
    "spring": (
        Words("Bees visit the first blossoms and the cuckoo is back.", "蜜蜂采第一批花，布谷鸟回来了。"),
        Words("The cherry trees are as people in Japan love them most.", "樱花正是日本人最爱的样子。"),
        Words("The storks return from the south and build their nests.", "鹳鸟从南方回来筑巢。"),
        Words("The bear has just left its den and lambs are born.", "熊刚刚出洞，小羊出生了。"),
    ),
    "summer": (
        Words("The cicadas sing and dogs pant in the heat.", "蝉在鸣叫，狗热得直喘。"),
        Words("Cows graze on lush pastures and seek the shade at noon.", "牛在茂盛的牧场吃草，中午找阴凉。"),
        Words("Fireflies dance on warm evenings these weeks.", "这几周温暖的傍晚萤火虫飞舞。"),
        Words("The young birds have long left the nest and strawberries are ripe.", "小鸟早已离巢，草莓熟了。"),
    ),
    "autumn": (
        Words("The swallows gather to fly south.", "燕子聚在一起飞向南方。"),
        Words("Squirrels bury nuts for the cold months.", "松鼠埋下坚果准备过冬。"),
        Words("The leaves are about to fall.", "树叶快要落了。"),
        Words("Mushrooms sprout and hedgehogs look for a place to sleep until spring.", "蘑菇冒出来，刺猬找地方冬眠。"),
    ),
    "snowfall": (
        Words("The fox's tracks disappear as fast as it makes them.", "狐狸的脚印刚踩出就被盖住了。"),
        Words("Bears sleep and white crystals float through the air.", "熊在冬眠，白色的晶体在空中飘。"),
        Words("The hare's white fur gets new flakes every minute.", "白兔的毛上每分钟都落上新雪花。"),
        Words("Birds hide, for the air is full of white stars.", "空中满是白色的六角星，鸟儿躲了起来。"),
    ),
    "frost": (
        Words("The fox's tracks stay visible in the white, under a blue sky.", "蓝天下，狐狸的脚印留在白地上。"),
        Words("Bears sleep while the white land sparkles in the sun.", "熊在冬眠，白色的大地在阳光下闪耀。"),
        Words("The hare throws a sharp shadow on the white field.", "野兔在白色的田野上投下清晰的影子。"),
        Words("Birds warm themselves in the sun on the white roof.", "鸟儿在白色的屋顶上晒太阳取暖。"),
    ),
}


def _reasons(name: str) -> tuple[Reason, ...]:
    return (
        Reason("season_calendar", _WHY[name], _CALENDAR_MEDIUM[name], _CALENDAR_HARD[name]),
        Reason("season_nature", _WHY[name], _NATURE_MEDIUM[name], _NATURE_HARD[name]),
    )


def make_seasons(rng: random.Random) -> Setting:
    """Draw one of five times of the year; the changes are the other four."""
    present = rng.choice(tuple(_LOOK))
    season, weather = _LOOK[present]
    source = Scene("meadow", place(rng), rng.randint(38, 42), weather=weather, season=season, sun="right")
    others = [name for name in _LOOK if name != present]
    labels = [_OPPOSITES.get(name, "") for name in others]
    changes = []
    for name, label in zip(others, labels, strict=True):
        season, weather = _LOOK[name]
        target = replace(source, season=season, weather=weather)
        pair = label if labels.count(label) == 2 else ""
        slots = {"melt": _MELT.get(present, Words("", ""))}
        changes.append(Change(target, _EXPLICIT[name], _reasons(name), slots, ("season",), pair))
    return Setting(source, _DESCRIPTIONS[present], tuple(changes))


SEASONS = SettingKind(make_seasons, ("season_calendar", "season_nature"))
"""The setting of the seasons."""
