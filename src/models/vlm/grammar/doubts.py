"""Words before a number that make it something else than the verdict: a negation, a comparison, an earlier score."""

from __future__ import annotations

import re

_CLAUSE_END = re.compile(
    r"[.;:!?,\n。；！？]|\b(?:so|because|but|and|thus|therefore|hence|since|as)\b|所以|因此|但", re.IGNORECASE
)
_DOUBT = re.compile(
    r"""\b(?:not|never|cannot|nor|less|lower|fewer|more|better|worse|higher|than|below|under|above|over|beyond|nearly
        |almost|up[ ]to|at[ ](?:most|least)|rather|instead|hardly|barely|short[ ]of|could|might|may|if)\b
    | n['’]t\b
    | [不没未勿](?:能|会|应|该|值|得|可|以|足|配|到|止|是|要|想|再)*$
    | (?:低于|高于|少于|多于|超过|大于|小于|接近|将近|至多|至少|最多|如果|[扣减])$""",
    re.IGNORECASE | re.VERBOSE,
)
_EARLIER = re.compile(
    r"\b(?:previously|originally|initially|formerly|earlier|at first|used to)\b[^.;!?\n]{0,60}$"
    r"|(?:之前|原来|起初|原先)[^。；！？\n]{0,20}$",
    re.IGNORECASE,
)
_ANYWHERE = re.compile(
    r"""\b(?:not|never|cannot|nor|less|lower|more|better|worse|higher|than|below|under|above|over|nearly|almost|rather
        |instead|but|could|might|may|if|image|picture|photo|frame|step|version)\b
    | n['’]t\b | [不没未扣减图第] | 低于|高于|少于|多于|超过|大于|小于|接近|以下|以上|最多|至多|至少""",
    re.IGNORECASE | re.VERBOSE,
)


def is_doubted(text: str, start: int) -> bool:
    """Whether the clause before `start` denies, compares or dates what stands there."""
    before = text[max(0, start - 80) : start]
    if _EARLIER.search(before):
        return True
    ends = [match.end() for match in _CLAUSE_END.finditer(before)]
    return _DOUBT.search(before[ends[-1] if ends else 0 :].rstrip(" \t*_`\"'“(")) is not None


def holds_doubt(text: str) -> bool:
    """Whether a part of a sentence holds any word of doubt or comparison, or names a picture by number."""
    return _ANYWHERE.search(text) is not None
