"""What a benchmark says of the right edit of a sample, as what tells it from another."""

from __future__ import annotations

import json
from dataclasses import asdict

from src.data.image import ImageError, LazyImage, content_hash
from src.data.sample import EditSample


def reference_key(sample: EditSample) -> str | None:
    """What tells a sample's reference image from others: its hash, or why it cannot be read."""
    return None if sample.reference is None else _key(sample.reference)


def further_keys(sample: EditSample) -> list[str]:
    """What tells each of a sample's further source pictures from others: its hash, or why it cannot be read."""
    return [_key(picture) for picture in sample.further_sources]


def _key(picture: LazyImage) -> str:
    try:
        return content_hash(picture.read_bytes())
    except ImageError as error:
        return str(error)


def expected_edit(sample: EditSample) -> dict[str, str]:
    """What the sample has of a reference picture, a rationale, a knowledge graph and further sources, as digests."""
    graph = None if sample.graph is None else json.dumps(asdict(sample.graph), sort_keys=True)
    texts = {"rationale": sample.rationale, "knowledge graph": graph}
    found = {name: content_hash(text.encode("utf-8", "surrogatepass")) for name, text in texts.items() if text}
    further = {f"source picture {place}": key for place, key in enumerate(further_keys(sample), 2)}
    reference = reference_key(sample)
    return found | further if reference is None else {"reference picture": reference, **found, **further}
