"""Content keys: what makes two edits, or two verdicts, the same work.

A key changes exactly when something changes that decides the result. Hence a resumed run redoes nothing, a new judge
re-edits nothing, and a changed editor setting invalidates its own edits only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_SPECIAL_TOKEN = re.compile(r"<\|?[^<>\s]{1,40}>|\[[A-Z_/]{1,20}\]")
"""What a tokenizer might take for one. Editors once obeyed it, and their edits of then are other edits."""

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hexadecimal) of JSON-able data; equal data gives equal digests whatever the order of its keys."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def sample_seed(run_seed: int, sample_id: str) -> int:
    """A sample's own seed, 0 ≤ seed < 2³¹: from the run's seed and the sample's id, never from its position."""
    return int(digest([run_seed, sample_id])[:8], 16) % 2**31


def edit_key(editor: str, source_sha256: str, instruction: str, seed: int, further: Sequence[str] = ()) -> str:
    """Key of an edit.

    Args:
        editor: The digest of the editor's identity.
        source_sha256: The hash of the source picture.
        instruction: What the editor is told.
        seed: The seed of the edit.
        further: The hashes of further source pictures, in order.
    """
    read_as = ["special tokens are text"] if _SPECIAL_TOKEN.search(instruction) else []
    others = [list(further)] if further else []
    return digest(["edit", editor, source_sha256, instruction, seed, *read_as, *others])


def conditioned_edit_key(editor: str, sources: Sequence[str], conditioning: str, seed: int) -> str:
    """Key of an edit that is painted from embeddings, whatever words and weights they came from.

    Args:
        editor: The digest of the editor's identity.
        sources: The hashes of the source pictures, in order.
        conditioning: The hash of the embeddings.
        seed: The seed of the edit.
    """
    return digest(["conditioned edit", editor, list(sources), conditioning, seed])


def verdict_key(scorer: str, question: Any, edit: str) -> str:
    """Key of a verdict; `scorer` digests the scorer's identity, `question` is what it asks, `edit` an edit key."""
    return digest(["verdict", scorer, question, edit])


def answer_key(scorer: str, answer: str | None, completion: str) -> str:
    """Key of a verdict on a text; `scorer` digests the scorer, `answer` is the right one, `completion` the text."""
    return digest(["answer", scorer, answer, completion])


def reply_key(policy: Mapping[str, Any], system: str, user: str, images: Sequence[str]) -> str:
    """Key of a policy's greedy reply; `policy` is its identity, `images` are the hashes of what it is shown."""
    return digest([policy, system, user, images])


def probe_key(source: str, edited: str, instruction: str, description: str, repetition: str | None) -> str:
    """Key of an audit's probe; `source` and `edited` hash the pixels, `repetition` names one of a repeated question."""
    return digest(["probe", source, edited, instruction, description, repetition])


def audit_run_key(asked: str, targets: str) -> str:
    """Key of an audit; `asked` is the key of a run that edits nothing, `targets` tells where right edits come from."""
    return digest(["audit", asked, targets])


def drift_run_key(about: Mapping[str, Any]) -> str:
    """Key of a measurement of drift; `about` is what was measured, and when it was begun."""
    return digest(["drift", about])


def drift_verdict_key(run_key: str, verdict: str) -> str:
    """Key of a verdict of today; `run_key` is that of the measurement, `verdict` the key of the verdict of then."""
    return digest(["drift", run_key, verdict])


def compared_edit_key(source: str, edited: str, instruction: str) -> str:
    """Key of an edit that people have compared with another; `source` and `edited` hash the encoded pictures."""
    return digest(["compared", source, edited, instruction])


def judge_bench_key(data: Mapping[str, Any], scorer: str, prompts: Any) -> str:
    """Key of a judge's verdicts on preferences; `data` says on which, `scorer` digests the scorer."""
    return digest(["judge-bench", data, scorer, prompts])
