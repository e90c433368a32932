"""`VQAScorer`: whether a policy answers a question about an image rightly, in the form that it was asked for."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self

import pydantic

from src.data.sample import EditSample
from src.data.verdict import SCORE_RANGE, Status, Verdict, failed
from src.errors import ConfigError
from src.models.base import ModelParams
from src.models.vlm.tags import THINK_TAGS, read_answer, require_tags
from src.rewards.core.scorer import Completion, CompletionScorer, EditedSample, Scorer
from src.rewards.scorers.words import words

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

_FILLERS = frozenset(
    (*"a an the is are was were it its this that there in on at of to".split(), *"在是的了这那个它")  # noqa: SIM905
)
"""Words with which an answer becomes a sentence and says nothing more."""
_OPPOSITE = {"yes": "no", "no": "yes"}
_SENTENCE_WORDS = frozenset([
    # pronouns and determiners, prepositions, auxiliaries, the verbs of findings, what is left of "isn't" and "it's"
    "i", "you", "he", "she", "it", "we", "they", "there", "this", "that", "these", "those", "its", "their", "both",
    "all", "some", "any", "each", "a", "an", "the", "in", "on", "at", "of", "to", "with", "within", "without",
    "from", "by", "for", "near", "over", "under", "between", "through", "not", "is", "are", "was", "were", "be",
    "been", "has", "have", "had", "does", "do", "did", "can", "could", "will", "would", "may", "might", "must",
    "should", "show", "shows", "showed", "shown", "see", "sees", "saw", "seen", "look", "looks", "looked", "appear",
    "appears", "appeared", "seem", "seems", "seemed", "suggest", "suggests", "indicate", "indicates", "demonstrate",
    "demonstrates", "reveal", "reveals", "contain", "contains", "remain", "remains", "s", "re", "m", "ve", "isn",
    "aren", "wasn", "weren", "hasn", "haven", "hadn", "doesn", "don", "didn", "couldn", "wouldn",
])  # fmt: skip
"""What makes a sentence of the words after a leading yes or no; guesses in a row are names of things without them."""
_BLEU_ORDER = 4
_NO_ANSWER = "an edit has no right answer in words"


class VQAScorer(Scorer, CompletionScorer):
    """`score = 10 × format × (accuracy_weight × accuracy + overlap_weight × overlap) / (sum of the weights)`.

    An answer whose accuracy is 0 scores 0, whatever its overlap.

    The formula and the default weights are those of the VQA-RAD task for EasyR1 (MLLM_POISON_RELEASE,
    `task_vqa_vqa_rad_cot`); its components are made anew:

    - `format`: 1 when the completion is well-formed (`read_answer`), else 0. There an empty thought counted as one, and
      the answer could come before it.
    - `accuracy`: see `accuracy`. There any substring counted, so that "abnormal" had the truth "no" in it, and a list
      of all possible answers was right; and any answer that began with the right yes or no, whatever came after it.
    - `overlap`: the F1 of the words, as for SQuAD (arXiv 1606.05250), so that of two right answers the shorter one
      gains more. There it was the substring again, which the accuracy held already.

    However often each answer is the right one, a list of guesses gains no more on average than the best of them alone,
    as long as no guess lies within another. For a list can be accurate only to the yes or no that it begins with; to
    any other truth it says a word too many, and then earns nothing for the words that they share.

    Edits have no answer: to them it is not applicable.

    Dimensions, 0–10 each: `format`, `accuracy`, `overlap` and, for the report alone, `bleu` and `rouge_l`. Without an
    answer in the completion all of them are 0. A completion without a right answer to compare with is not applicable.
    """

    class Params(ModelParams):
        """The form of the answer and the weights; all have defaults."""

        style: Literal["think_answer", "plain"] = "think_answer"
        """`plain` takes the whole completion for the answer, and its format for 1."""
        accuracy_weight: float = pydantic.Field(0.8, ge=0)
        overlap_weight: float = pydantic.Field(0.2, ge=0)
        partial_from: float = pydantic.Field(0.5, gt=0, le=1)
        """The least share of the truth's words that is worth anything."""

        @pydantic.model_validator(mode="after")
        def _weighted(self) -> Self:
            if self.accuracy_weight + self.overlap_weight == 0:
                raise ValueError("accuracy_weight and overlap_weight must not both be 0")
            return self

    VERSION = "5"

    def question(self, sample: EditSample) -> Any:
        """None, as nobody is asked: the scorer reads completions alone."""
        return None

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so of every sample: an edit has no right answer in words."""
        return _NO_ANSWER

    def score(self, batch: list[EditedSample]) -> list[Verdict]:
        """One verdict an edit, each of them not applicable."""
        return [failed(Status.NOT_APPLICABLE, _NO_ANSWER)] * len(batch)

    def prompt_agrees(self, template: str) -> None:
        """Checks that a policy's prompt asks for the form that is rewarded: tags, or none.

        Raises:
            ConfigError: naming the tags that are missing, or too many.
        """
        if self.params.style == "think_answer":
            require_tags(template, THINK_TAGS, "VQAScorer with style think_answer")
        elif named := [f"<{name}>" for name in THINK_TAGS if f"<{name}>" in template.lower()]:
            raise ConfigError(
                f"the policy's prompt asks for {', '.join(named)}, and VQAScorer with style plain would take the tags "
                "for a part of the answer: set style think_answer, or use a prompt without tags"
            )

    def score_completions(self, batch: list[Completion]) -> list[Verdict]:
        """One verdict a text, in order."""
        return [self._verdict(completion) for completion in batch]

    def _verdict(self, completion: Completion) -> Verdict:
        truth = completion.answer or ""
        if not words(truth):
            return failed(Status.NOT_APPLICABLE, f"there is no right answer to compare with, only {truth!r:.80}")
        answer, is_formed = self._read(completion.text)
        parts = {
            "format": float(is_formed),
            "accuracy": accuracy(answer, truth, self.params.partial_from),
            "overlap": overlap(answer, truth),
            "bleu": bleu(answer, truth),
            "rouge_l": rouge_l(answer, truth),
        }
        weights = (self.params.accuracy_weight, self.params.overlap_weight)
        weighted = weights[0] * parts["accuracy"] + weights[1] * parts["overlap"]
        content = weighted / sum(weights) if parts["accuracy"] else 0.0
        full = SCORE_RANGE[1]
        dimensions: dict[str, float | None] = {name: full * value for name, value in parts.items()}
        return Verdict(Status.SCORED, full * parts["format"] * content, dimensions)

    def _read(self, text: str) -> tuple[str, bool]:
        if self.params.style == "plain":
            return text, True
        read = read_answer(text)
        return read.answer or "", not read.problems


def accuracy(answer: str, truth: str, partial_from: float = 0.5) -> float:
    """How right an answer is, 0–1, word by word and never letter by letter.

    An answer gives one answer, whatever the truth is:

    - A sentence that begins with yes or no answers just that. It is right to a truth of that word alone: "Yes, there is
      no effusion", but not "yes, left" or "yes, or no", which are guesses in a row.
    - Any other answer is all of its words. It is worth the share of the truth's words that occur, 0 where that is below
      `partial_from`, and 0 where any other word occurs, since a list of guesses would else pay more than an answer.
      `_FILLERS` do not count.
    """
    expected, given = _telling(truth), _telling(answer)
    if len(expected) == 1 and expected[0] == _leading_word(answer):
        return 1.0
    if set(given) - set(expected):
        return 0.0
    share = _common(given, expected) / len(expected)
    return share if share >= partial_from else 0.0


def overlap(answer: str, truth: str) -> float:
    """The F1 of the answer's words against the truth's, 0–1, each counted as often as it occurs."""
    expected, given = words(truth), words(answer)
    return 2 * _common(given, expected) / (len(given) + len(expected))


def bleu(answer: str, truth: str) -> float:
    """Sentence BLEU with smoothing 1 of Chen and Cherry (2014), 0–1.

    N-grams go up to four words or to the length of a shorter truth: with a fixed four, no answer of a single word could
    reach 1.
    """
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    expected = words(truth)
    order = min(_BLEU_ORDER, len(expected))
    smoothing = SmoothingFunction().method1
    return float(sentence_bleu([expected], words(answer), [1 / order] * order, smoothing_function=smoothing))


def rouge_l(answer: str, truth: str) -> float:
    """ROUGE-L (Lin 2004): the F-measure of the longest common subsequence of stemmed words, 0–1."""
    return float(_rouge_scorer().score(truth, answer)["rougeL"].fmeasure)


def _telling(text: str) -> list[str]:
    """The words of a text that say something, or all of its words where none does."""
    every = words(text)
    return [word for word in every if word not in _FILLERS] or every


def _leading_word(text: str) -> str | None:
    """The yes or no that a sentence begins with; None where it does not, or takes it back."""
    first, *rest = words(text) or [""]
    opposite = _OPPOSITE.get(first)
    if opposite is None or _SENTENCE_WORDS.isdisjoint(rest):
        return None
    claims = (_is_claim(word, after) for word, after in pairwise([*rest, ""]) if word == opposite)
    return None if any(claims) else first


def _is_claim(word: str, after: str) -> bool:
    """Whether a yes or no answers the question once more, unlike the "no" of "no effusion"."""
    return word == "yes" or not after or after in _FILLERS | _SENTENCE_WORDS | _OPPOSITE.keys()


def _common(given: Sequence[str], expected: Sequence[str]) -> int:
    return (Counter(given) & Counter(expected)).total()


@functools.cache
def _rouge_scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_StemmedWords())


class _StemmedWords:
    """The library's own tokenizer knows no letters but a–z."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = PorterStemmer().stem

    def tokenize(self, text: str) -> list[str]:
        return [self._stem(word) for word in words(text)]
