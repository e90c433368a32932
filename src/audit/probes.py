"""Probes: edits whose worth is known without asking anybody, made of nothing but the benchmark.

Each takes a sample's right edit, the *target*, and spoils one thing about it. What a probe leaves alone stays the
sample's own, so that a scorer which does not notice the probe is blind to that one thing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import Image, ImageFilter

from src.data.image import LazyImage
from src.data.sample import EditSample

REPEATS = 3
"""How often the same question is put to see how much the score varies."""
BLURS = (1 / 128, 1 / 64, 1 / 32)
"""Standard deviation of the Gaussian as a share of the picture's shorter side: 8, 16 and 32 pixels of 1024."""
JPEG_QUALITIES = (30, 10, 3)
"""Pillow's scale of 1–95; mild, plain and gross block artefacts at any picture size."""

TARGET, NO_EDIT, SWAPPED, WRONG_SOURCE, SHUFFLED = (
    "target",
    "no_edit",
    "swapped",
    "wrong_source",
    "shuffled_instruction",
)
BLUR_LADDER = tuple(f"blur_{rung}" for rung in range(1, len(BLURS) + 1))
JPEG_LADDER = tuple(f"jpeg_{rung}" for rung in range(1, len(JPEG_QUALITIES) + 1))
REPEATED = tuple(f"repeat_{again}" for again in range(1, REPEATS))
NAMES = (TARGET, NO_EDIT, SWAPPED, WRONG_SOURCE, SHUFFLED, *BLUR_LADDER, *JPEG_LADDER, *REPEATED)


@dataclass(frozen=True)
class Probe:
    """A pair of pictures and an instruction that a scorer is asked about."""

    name: str
    """One of `NAMES`."""
    sample: EditSample
    source: Image.Image
    edited: Image.Image


def probes(sample: EditSample, target: LazyImage | None, partner: EditSample | None) -> Iterator[list[Probe]]:
    """The probes of a sample, in groups that are asked in one call, so that a repeated question is answered anew.

    Args:
        sample: With its own source.
        target: The right edit; without it there is only `no_edit`, repeated.
        partner: Of the same category, with another source and instruction (`with_partners`); without it the two
            probes that borrow from it are left out.

    Raises:
        ImageError: when one of the pictures cannot be used.
    """
    source = sample.source.decode()
    unedited = Probe(NO_EDIT, sample, source, source)
    if target is None:
        yield _repeated(unedited)
        return
    right = target.decode()
    original = Probe(TARGET, sample, source, right)
    yield _repeated(original)
    yield [unedited]
    yield [Probe(SWAPPED, replace(sample, source=target), right, source)]
    if partner is not None:
        yield [_wrong_source(original, partner)]
        yield [_shuffled(original, partner)]
    for name, share in zip(BLUR_LADDER, BLURS, strict=True):
        radius = share * min(right.size)
        yield [replace(original, name=name, edited=right.filter(ImageFilter.GaussianBlur(radius)))]
    for name, quality in zip(JPEG_LADDER, JPEG_QUALITIES, strict=True):
        yield [replace(original, name=name, edited=_through_jpeg(right, quality))]


def _repeated(probe: Probe) -> list[Probe]:
    return [probe, *(replace(probe, name=name) for name in REPEATED)]


def _wrong_source(original: Probe, partner: EditSample) -> Probe:
    """The partner's source takes its reference along: right results look like the source that is shown."""
    sample = replace(original.sample, source=partner.source, reference=partner.reference)
    return replace(original, name=WRONG_SOURCE, sample=sample, source=partner.source.decode())


def _shuffled(original: Probe, partner: EditSample) -> Probe:
    """The instruction takes along what says how its result looks; the description goes with the source and stays."""
    sample = replace(
        original.sample,
        instruction=partner.instruction,
        rationale=partner.rationale,
        reference=partner.reference,
    )
    return replace(original, name=SHUFFLED, sample=sample)


def _through_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")
