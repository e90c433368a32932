"""环境: hours of the day, weather, seasons, and what becomes of a lake."""

from __future__ import annotations

from src.miniature.world.edits_environment_hours import HOURS
from src.miniature.world.edits_environment_lake import LAKE
from src.miniature.world.edits_environment_seasons import SEASONS
from src.miniature.world.edits_environment_weather import WEATHER
from src.miniature.world.phrasing import SettingKind

ENVIRONMENT: dict[str, SettingKind] = {
    "hours": HOURS,
    "weather": WEATHER,
    "seasons": SEASONS,
    "lake": LAKE,
}
"""The settings of the category 环境."""
