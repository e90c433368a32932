"""社会: traffic lights, waste sorting, queues, flags, safety at work."""

from __future__ import annotations

from src.miniature.world.edits_social_crossing import CROSSING
from src.miniature.world.edits_social_flags import FLAGS
from src.miniature.world.edits_social_litter import LITTER
from src.miniature.world.edits_social_queue import QUEUE
from src.miniature.world.edits_social_site import SITE
from src.miniature.world.phrasing import SettingKind

SOCIAL: dict[str, SettingKind] = {
    "crossing": CROSSING,
    "litter": LITTER,
    "queue": QUEUE,
    "flags": FLAGS,
    "site": SITE,
}
"""The settings of the category 社会."""
