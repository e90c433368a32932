"""Measures a miniature generator on held-out contents and writes its model card.

Run as `python -m src.miniature.generator.evaluate_generator`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from src.miniature.generator.batches import MISLED_SHARE, PROMPT_SHARES, THINKING_SHARE
from src.miniature.knowledge_oracle import shown_of
from src.miniature.model_card import card_arguments, card_parser, markdown_table, megabytes, training_facts, write_card
from src.miniature.prompts.concepts import HUES, LOOKS
from src.miniature.prompts.pictures import Content, graph_of, scene_of
from src.miniature.prompts.wording import DIFFICULTIES, Difficulty, caption, contents, prompt
from src.miniature.trainer import start_command
from src.miniature.world.render import render
from src.miniature.world.split import Wordings
from src.models.diffusion.implementations.qwen_image import QwenImageModel
from src.rewards.scorers.knowledge_graph import knowledge_fidelity

SAMPLING: dict[str, Any] = {
    "num_inference_steps": 8,
    "true_cfg_scale": 1.0,
    "width": 64,
    "height": 64,
    "batch_size": 16,
}
"""How the benchmark's config paints."""
MAX_NEW_TOKENS = 40
COLUMNS = {
    "stock": "prompt alone",
    "thinks": "thinks first",
    "reworded": "prompt alone, reworded",
    "exact": "exact words",
    "round_trip": "round trip",
    "another": "another content",
}
"""The scores of a difficulty, and what the card calls them."""

logger = logging.getLogger(__name__)

CARD = """\
# The miniature generator

A text-to-image model with the real Qwen-Image architecture at {total:.1f} million parameters ({megabytes:.0f} MB, half
precision on disk, loaded in single precision). It paints the 64×64 pictures that `src/miniature/prompts` describes,
from English words. `QwenImagePipeline.from_pretrained` loads the folder, and `text_encoder` is a chat model besides.

It is a scientific instrument: **no number here is a claim about real models**.

- **Data**: of {contents:,} contents (place, look, a coloured thing and its side) all but those of held-out things
  (`HELD_OUT_THINGS`). Prompts are explicit ({easy:.0%}), name the look ({medium:.0%}), or tell look and colours by
  concepts ({hard:.0%}); {thinking:.0%} are followed by the explicit words as completion, {misled:.0%} of these by those
  of another content, which is then painted. {untaught} concepts (`untaught` in `concepts.py`) and the last wording of
  each tuple were in no training.
- **Training**: from the weights of the miniature editor; autoencoder {vae_steps:,} steps of 16 pictures, then
  transformer and text encoder {steps:,} steps of {batch} prompts, by flow matching and by the next token of the
  completions. {remark}
- **Sampling**: {sampling_steps} steps, no guidance. `prompt_template_encode_start_idx` must be computed from the
  tokenizer (`src.models.diffusion.prompt_template`); `QwenImageModel` does.
- **Made by** `python -m src.miniature.generator.train_generator`,
  **measured by** `python -m src.miniature.generator.evaluate_generator --count {count}`.

## Held-out scores

Mean of 10 × knowledge fidelity by `KnowledgeOracleScorer`, of {count} prompts a row for things that no training had;
{seconds:.2f} s a picture on the machine that measured. *Prompt alone* is the stock path, *thinks first* the same with
the text encoder's own likeliest completion. *Reworded* asks in wordings that training never read, *exact words* says
what is to be drawn. *Round trip* sends the exact picture through the autoencoder. *Another content* is the exact
picture of another content: what any picture of this world scores by chance.

{table}

*untaught*: concepts that no training told. In this row *prompt alone* and *exact words* differ by what a policy can
gain that learns these concepts from rewards (`configs/training/miniature_text_to_image.yaml`).
"""


def held_out(difficulty: Difficulty, count: int, wordings: Wordings) -> list[tuple[Content, str]]:
    """Contents of held-out things with a prompt each; the looks take turns."""
    rng = random.Random(f"card {difficulty} {wordings}")
    by_look = [[one for one in contents(True) if one.look == look] for look in LOOKS]
    chosen = [rng.choice(by_look[index % len(by_look)]) for index in range(count)]
    return [(content, prompt(rng, content, difficulty, wordings)) for content in chosen]


def fidelities(asked: Sequence[Content], pictures: Sequence[Image.Image]) -> list[float]:
    """Ten times the knowledge fidelity of each picture."""
    graphs = [graph_of(content) for content in asked]
    return [
        10.0 * knowledge_fidelity(graph, shown_of(graph, picture))
        for graph, picture in zip(graphs, pictures, strict=True)
    ]


def painted(model: QwenImageModel, prompts: Sequence[str]) -> list[Image.Image]:
    """A picture of each prompt, each from a noise of its own."""
    size = SAMPLING["batch_size"]
    made: list[Image.Image] = []
    for start in range(0, len(prompts), size):
        some = list(prompts[start : start + size])
        made += model.batch_generate(some, list(range(start, start + len(some))))
    return made


def evaluate(folder: Path, count: int) -> tuple[dict[Difficulty, dict[str, float]], float]:
    """The mean scores of each difficulty, and the seconds of a picture."""
    stock = QwenImageModel({"model_name": str(folder), **SAMPLING})
    think = {"max_new_tokens": MAX_NEW_TOKENS, "batch_size": 16}
    thinks = QwenImageModel({"model_name": str(folder), "think": think, **SAMPLING})
    found: dict[Difficulty, dict[str, float]] = {}
    seconds, made = 0.0, 0
    for difficulty in DIFFICULTIES:
        asked, prompts = zip(*held_out(difficulty, count, "training"), strict=True)
        others, reworded = zip(*held_out(difficulty, count, "held_out"), strict=True)
        exact = [Image.fromarray(render(scene_of(content))) for content in asked]
        started = time.perf_counter()
        first = painted(stock, prompts)
        seconds, made = seconds + time.perf_counter() - started, made + count
        scores = {
            "stock": fidelities(asked, first),
            "thinks": fidelities(asked, painted(thinks, prompts)),
            "reworded": fidelities(others, painted(stock, reworded)),
            "exact": fidelities(asked, painted(stock, [caption(content) for content in asked])),
            "round_trip": fidelities(asked, _round_trips(stock, exact)),
            "another": fidelities(asked, [*exact[1:], exact[0]]),
        }
        found[difficulty] = {name: float(np.mean(score)) for name, score in scores.items()}
        logger.info("%s: %s", difficulty, found[difficulty])
    return found, seconds / made


def _round_trips(model: QwenImageModel, pictures: Sequence[Image.Image]) -> list[Image.Image]:
    from src.miniature.editor.train_vae import round_trips

    return [Image.fromarray(one) for one in round_trips(model.pipe.vae, [np.asarray(picture) for picture in pictures])]


def card(folder: Path, count: int, remark: str) -> str:
    """The model card of a generator, measured anew."""
    import torch
    from diffusers import QwenImagePipeline

    found, seconds = evaluate(folder, count)
    pipeline = QwenImagePipeline.from_pretrained(folder, torch_dtype=torch.float32)
    parts = (pipeline.transformer, pipeline.text_encoder, pipeline.vae)
    facts = training_facts(folder)
    recipe = facts["recipe"]
    rows = [[name, *(f"{scores[column]:.2f}" for column in COLUMNS)] for name, scores in found.items()]
    return CARD.format(
        total=sum(parameter.numel() for part in parts for parameter in part.parameters()) / 1e6,
        megabytes=megabytes(folder),
        contents=len(contents(False)) + len(contents(True)),
        **PROMPT_SHARES,
        thinking=THINKING_SHARE,
        misled=MISLED_SHARE,
        untaught=len(LOOKS) + len(HUES),
        vae_steps=recipe["vae_steps"],
        steps=facts["steps_done"],
        batch=recipe["batch"],
        remark=remark,
        sampling_steps=SAMPLING["num_inference_steps"],
        count=count,
        seconds=seconds,
        table=markdown_table(("difficulty", *COLUMNS.values()), rows),
    )


def main() -> None:
    """The command line."""
    parser = card_parser("generator")
    parser.add_argument("--count", type=int, default=60, help="prompts of each difficulty")
    chosen = card_arguments(parser)
    start_command()
    write_card(chosen.model, card(chosen.model, chosen.count, chosen.remark))


if __name__ == "__main__":
    main()
