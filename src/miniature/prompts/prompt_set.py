"""Writes the shipped prompts: `python -m src.miniature.prompts.prompt_set`.

`assets/miniature/prompts.json` is the benchmark of pictures of text alone: all four difficulties in turn, coloured
things that no training has, every other ten in held-out wordings. `assets/miniature/prompt_tasks.json` is what
reinforcement learning trains on: concepts that no model was taught, other things, training wordings.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from src.command_line import only_help
from src.miniature.model_folder import written_whole
from src.miniature.prompts.concepts import LOOKS
from src.miniature.prompts.pictures import graph_of, scene_of
from src.miniature.prompts.wording import DIFFICULTIES, Difficulty, caption, contents, prompt
from src.miniature.world.benchmark import png_base64
from src.miniature.world.render import render

BENCHMARK, TASKS = Path("assets/miniature/prompts.json"), Path("assets/miniature/prompt_tasks.json")
PER_DIFFICULTY, TASK_COUNT = 60, 480
HELD_OUT_WORDING = "held-out wording"
"""A tag of the prompts in wordings that no model learns from."""


def items(count: int, difficulties: Sequence[Difficulty], *, measured: bool) -> Iterator[dict[str, Any]]:
    """Prompts in the schema of benchmark files, those for measuring with the exact picture.

    Looks and difficulties take turns.

    Args:
        count: How many.
        difficulties: Those that take turns.
        measured: Whether they are for measuring: held-out things, and every second time held-out wordings.
            Else they are for training.
    """
    rng = random.Random(f"prompts {measured}")
    by_look = {look: [one for one in contents(measured) if one.look == look] for look in LOOKS}
    for index in range(count):
        turn, place = divmod(index, len(difficulties))
        difficulty = difficulties[place]
        content = rng.choice(by_look[tuple(LOOKS)[turn % len(LOOKS)]])
        held_out = measured and turn // len(LOOKS) % 2 == 1
        graph = graph_of(content)
        item = {
            "id": f"{'prompt' if measured else 'task'}_{index:04d}",
            "category": LOOKS[content.look].category,
            "difficulty": difficulty,
            "tags": [content.look, content.place, *([HELD_OUT_WORDING] if held_out else [])],
            "prompt_en": prompt(rng, content, difficulty, "held_out" if held_out else "training"),
            "explicit_instruction_en": caption(content),
            "knowledge_graph": {
                "elements": list(graph.elements),
                "dependencies": [[one.source, one.relation, one.target] for one in graph.dependencies],
            },
        }
        yield item | ({"reference_img_b64": png_base64(render(scene_of(content)))} if measured else {})


def write_prompts(path: Path, prompts: Iterator[dict[str, Any]]) -> None:
    """Writes a benchmark file, one item a line; the file appears only when it is complete."""
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in prompts)
    with written_whole(path) as partial:
        partial.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    only_help(__doc__)
    write_prompts(BENCHMARK, items(PER_DIFFICULTY * len(DIFFICULTIES), DIFFICULTIES, measured=True))
    write_prompts(TASKS, items(TASK_COUNT, ("untaught",), measured=False))
