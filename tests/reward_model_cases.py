"""Samples, scripted replies and scores computed by hand, for the protocols of published reward models."""

from __future__ import annotations

import math
from typing import Any

from tests.protocol_samples import sample

VIE = {
    "Compare the two": '{"reasoning": "r", "score": [20, 5]}',
    "look natural": '{"reasoning": "r", "score": [25, 10]}',
}
"""Two lists of numbers from 0 to 25: SC = min(20, 5) / 2.5 = 2, PQ = min(25, 10) / 2.5 = 4."""

CRITIQUE = """# User Request Analysis
Two changes.
# Detailed Judgement
1. Text Faithfulness:
## Justification: 1. The sky is red. 2. Nothing else was asked for.
## Score: 3.5
2. Image Faithfulness:
## Justification: kept
## Score: 4.0
3. Physical and Visual Quality:
## Justification: seams
## Score: 2.4
4. Text Rendering:
## Justification: none asked for
## Score: N/A
# Summary: Well done.

# User Request Refinement:
## Refined Request: Make it blue, and keep its edges.
"""

CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "editscore": ("editscore@2025-11", sample(), VIE),
    "editscore-qwen25": ("editscore-qwen25@2025-11", sample(), VIE),
    "editscore-api": ("editscore-api@2025-11", sample(), VIE),
    "unifiedreward-edit": ("unifiedreward-edit@2026-06", sample(), VIE),
    "rationalrewards": ("rationalrewards@2026-04", sample(), {"Judge four": CRITIQUE}),
    "firm-edit": (
        "firm-edit@2026-03",
        sample(),
        {
            "How far was": '{"reasoning": "r", "score": [4]}',
            "How far is everything else": '```json\n{"reasoning": "r", "score": 3}\n```',
        },
    ),
}
BY_HAND = {
    **dict.fromkeys(
        ("editscore", "editscore-qwen25", "editscore-api", "unifiedreward-edit"), (math.sqrt(2 * 4), 0, 10)
    ),
    "rationalrewards": (((3.5 + 4 + 2.4) / 3 - 1) / 3, 0, 1),
    "firm-edit": (0.75 * (0.6 + 0.4 * 0.5), 0, 1),
}
