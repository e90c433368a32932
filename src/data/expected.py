"""What a benchmark says of the right edit of a sample, as what tells it from another."""

from __future__ import annotations

import json
from dataclasses import asdict

from src.data.image import ImageError, content_hash
from src.data.sample import EditSample


def reference_key(sample: EditSample) -> str | None:
    """What tells a sample's reference image from others: its hash, or why it cannot be read."""
    if sample.reference is None:
        return None
    try:
        return content_hash(sample.reference.read_bytes())
    except ImageError as error:
        return str(error)


def expected_edit(sample: EditSample) -> dict[str, str]:
    """What the sample has of a reference picture, a rationale and a knowledge graph, each as a digest."""
    graph = None if sample.graph is None else json.dumps(asdict(sample.graph), sort_keys=True)
    texts = {"rationale": sample.rationale, "knowledge graph": graph}
    found = {name: content_hash(text.encode("utf-8", "surrogatepass")) for name, text in texts.items() if text}
    reference = reference_key(sample)
    return found if reference is None else {"reference picture": reference, **found}
