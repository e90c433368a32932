"""Probes: edits whose worth is known without asking anybody, made of nothing but the benchmark.

Each takes a sample's right edit, the *target*, and spoils one thing about it. What a probe leaves alone stays the
sample's own, so that a scorer which does not notice the probe is blind to that one thing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from src.data.image import LazyImage, encode_png
from src.data.sample import EditSample

REPEATS = 3
"""How often the same question is put to see how much the score varies."""
BLURS = (1 / 128, 1 / 64, 1 / 32)
"""Standard deviation of the Gaussian as a share of the picture's shorter side: 8, 16 and 32 pixels of 1024."""
JPEG_QUALITIES = (30, 10, 3)
"""Pillow's scale of 1–95; mild, plain and gross block artefacts at any picture size."""

TARGET, NO_EDIT, SWAPPED, REORDERED = "target", "no_edit", "swapped", "reordered"
WRONG_SOURCE, BLANK_SOURCE, FOREIGN_PICTURE = "wrong_source", "blank_source", "foreign_picture"
SHUFFLED, FOREIGN_INSTRUCTION, FOREIGN_RATIONALE = "shuffled_instruction", "foreign_instruction", "foreign_rationale"
NO_RATIONALE, FOREIGN_INSTRUCTION_ALONE = "no_rationale", "foreign_instruction_alone"
GREY_LEVEL, JPEG_95, PNG_AGAIN, PADDING = "grey_level", "jpeg_95", "png_again", "padding"
CUT_REPLY = "cut_reply"
WORDS = (FOREIGN_INSTRUCTION, SHUFFLED, NO_RATIONALE, FOREIGN_INSTRUCTION_ALONE, FOREIGN_RATIONALE)
PICTURES = (FOREIGN_PICTURE, WRONG_SOURCE, BLANK_SOURCE, SWAPPED, REORDERED)
UNSEEN = (GREY_LEVEL, JPEG_95, PNG_AGAIN, PADDING)
BLUR_LADDER = tuple(f"blur_{rung}" for rung in range(1, len(BLURS) + 1))
JPEG_LADDER = tuple(f"jpeg_{rung}" for rung in range(1, len(JPEG_QUALITIES) + 1))
REPEATED = tuple(f"repeat_{again}" for again in range(1, REPEATS))
NAMES = (TARGET, NO_EDIT, *WORDS, *PICTURES, *BLUR_LADDER, *JPEG_LADDER, *UNSEEN, *REPEATED, CUT_REPLY)
ASKED_AFRESH = frozenset({*REPEATED, PNG_AGAIN, REORDERED})
"""Probes whose question has an answer already, or a key that another question has as well."""
GREY = (128, 128, 128)


@dataclass(frozen=True)
class Probe:
    """A pair of pictures and an instruction that a scorer is asked about."""

    name: str
    """One of `NAMES`."""
    sample: EditSample
    source: Image.Image
    edited: Image.Image


@dataclass(frozen=True)
class Probed:
    """A sample with what its probes are made of."""

    sample: EditSample
    target: LazyImage | None
    """The right edit; without it there is only `no_edit`, repeated."""
    partner: EditSample | None = None
    """Of the same category, with another source and instruction (`with_partners`); without it the probes that borrow
    from it are left out."""
    partner_target: LazyImage | None = None
    sibling: EditSample | None = None
    """Another edit of the same picture (`with_siblings`), whose words are borrowed before the partner's."""


def probes(probed: Probed) -> Iterator[list[Probe]]:
    """The probes of a sample, in groups that are asked in one call, so that a repeated question is answered anew.

    Raises:
        ImageError: when one of the pictures cannot be used.
    """
    sample, target = probed.sample, probed.target
    source = sample.given_source.decode()
    unedited = Probe(NO_EDIT, sample, source, source)
    if target is None:
        yield _repeated(unedited)
        return
    right = target.decode()
    original = Probe(TARGET, sample, source, right)
    yield _repeated(original)
    yield [unedited]
    yield [Probe(SWAPPED, replace(sample, source=target), right, source)]
    yield [replace(original, name=BLANK_SOURCE, source=Image.new("RGB", source.size, GREY))]
    if sample.rationale:
        yield [replace(original, name=NO_RATIONALE, sample=replace(sample, rationale=None))]
    if probed.partner is not None:
        beside = _beside(sample, probed.partner)
        yield [replace(original, name=WRONG_SOURCE, sample=beside, source=beside.given_source.decode())]
    if (foreign_words := probed.sibling or probed.partner) is not None:
        for probe in _borrowed(original, foreign_words):
            yield [probe]
    if probed.partner_target is not None:
        foreign = probed.partner_target.decode().resize(right.size, Image.Resampling.LANCZOS)
        yield [replace(original, name=FOREIGN_PICTURE, edited=foreign)]
    for name, share in zip(BLUR_LADDER, BLURS, strict=True):
        radius = share * min(right.size)
        yield [replace(original, name=name, edited=right.filter(ImageFilter.GaussianBlur(radius)))]
    for name, quality in zip(JPEG_LADDER, JPEG_QUALITIES, strict=True):
        yield [replace(original, name=name, edited=_through(right, "JPEG", quality=quality))]
    yield [replace(original, name=GREY_LEVEL, edited=_one_grey_level(right, sample.sample_id))]
    yield [replace(original, name=JPEG_95, edited=_through(right, "JPEG", quality=95, subsampling=0))]
    yield [replace(original, name=PNG_AGAIN, edited=_through(right, "PNG"))]
    yield [_padded(original)]
    yield [replace(original, name=REORDERED)]


def cut_reply(probed: Probed) -> Iterator[list[Probe]]:
    """The question about the target once more, for a judge whose replies are cut off; nothing without a target.

    Raises:
        ImageError: when one of the pictures cannot be used.
    """
    if probed.target is not None:
        yield [Probe(CUT_REPLY, probed.sample, probed.sample.given_source.decode(), probed.target.decode())]


def _repeated(probe: Probe) -> list[Probe]:
    return [probe, *(replace(probe, name=name) for name in REPEATED)]


def _borrowed(original: Probe, partner: EditSample) -> Iterator[Probe]:
    """The probes in which words are another sample's.

    The rationale is exchanged with the instruction, without it, and left out of both, so that what a scorer takes from
    the one is told from what it takes from the other.
    """
    sample = original.sample
    told = partial(_told, sample, partner)
    yield replace(original, name=SHUFFLED, sample=told(partner.rationale))
    yield replace(original, name=FOREIGN_INSTRUCTION, sample=told(sample.rationale))
    if sample.rationale:
        yield replace(original, name=FOREIGN_INSTRUCTION_ALONE, sample=told(None))
        if partner.rationale:
            foreign = replace(sample, rationale=partner.rationale)
            yield replace(original, name=FOREIGN_RATIONALE, sample=foreign)


def _beside(sample: EditSample, partner: EditSample) -> EditSample:
    """The partner's source takes along what right results look like: they look like the source that is shown."""
    return replace(sample, source=partner.source, reference=partner.reference, **_drawing(partner))


def _told(sample: EditSample, partner: EditSample, rationale: str | None) -> EditSample:
    """The instruction takes along what its result is compared with; the description goes with the source and stays."""
    answer = {"reference": partner.reference, "graph": partner.graph, **_drawing(partner)}
    return replace(sample, instruction=partner.instruction, rationale=rationale, **answer)


def _drawing(partner: EditSample) -> dict[str, Any]:
    """What the exact result is drawn from in the miniature world."""
    return {"difficulty": partner.difficulty, "family": partner.family, "seed": partner.seed}


def _one_grey_level(image: Image.Image, sample_id: str) -> Image.Image:
    """Every channel of every pixel one level up or down at random, the same each time."""
    dice = np.random.default_rng(list(sample_id.encode()))
    pixels = np.asarray(image, dtype=np.int16)
    noise = 2 * dice.integers(0, 2, pixels.shape, dtype=np.int16) - 1
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def _padded(original: Probe) -> Probe:
    """All pictures with one more pixel on each side: around one alone it would be a change that was made."""
    source, reference = _framed(original.source), original.sample.reference
    sample = replace(
        original.sample,
        source=LazyImage.from_bytes(encode_png(source)),
        reference=LazyImage.from_bytes(encode_png(_framed(reference.decode()))) if reference else None,
    )
    return Probe(PADDING, sample, source, _framed(original.edited))


def _framed(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.pad(np.asarray(image), ((1, 1), (1, 1), (0, 0)), mode="edge"))


def _through(image: Image.Image, form: str, **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return Image.open(buffer).convert("RGB")
