"""`JudgePrompt`: one prompt to a judge about one sample; `JudgedQuestion`: all that a scorer asks about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from src.data.sample import EditSample
from src.data.verdict import SentPrompt
from src.models.vlm.asking import ScoreRequest, score_request
from src.models.vlm.grammar.parsing import GRAMMAR
from src.models.vlm.grammar.parsing_several import parse_scores, parse_yes_no
from src.models.vlm.prompts import PromptTemplate
from src.models.vlm.question import Delivery, LabelledImage, Picture, Question
from src.published_names import old_attribute
from src.rewards.core.scorer import further_keys, reference_key


@dataclass(frozen=True)
class ReplyFormat:
    """A form of replies that a published protocol asks for, and how its values are read."""

    name: str
    """Tells it from every other, with a version: it enters the verdict's key."""
    read: Callable[[str], Mapping[str, float]]
    """Reads a value for each dimension from a complete reply; raises `UnparsableReply`."""


@dataclass(frozen=True)
class JudgePrompt:
    """One prompt of a protocol about one sample, before there is an edit to look at."""

    system: str
    text: str
    template: str | None
    """Version and hash of the prompt file; None for a prompt that the config holds."""
    dimensions: tuple[str, ...]
    """The names of the values that its reply gives."""
    shows: tuple[Picture, ...] = ("source", "edited")
    """The pictures, in their order; a judge with `compare_with_original: false` gets no source."""
    form: Literal["scores", "yes_no"] = "scores"
    """`yes_no` gives 1.0 for yes and 0.0 for no, to a single dimension."""
    score_range: tuple[float, float] = (0.0, 10.0)
    """The lowest and the highest score that the text allows."""
    schema: Mapping[str, Any] | None = None
    """JSON schema of the reply, for judges that can enforce one."""
    reply: ReplyFormat | None = None
    """How the reply is read, where that is not by `form`."""
    delivery: Delivery | None = None
    """How the question is sent, where a published protocol says so."""

    def key(self) -> list[Any]:
        """All that decides the reply and what is read from it, apart from the pictures; JSON-able."""
        asked = [self.system, self.text, self.template, self.shows, self.schema]
        read = [self.dimensions, self.form, self.score_range, GRAMMAR]
        return [*asked, *read, *filter(None, (self.reply and self.reply.name, self.delivery and self.delivery.key()))]

    enquiry = old_attribute("enquiry")

    def request(self, images: tuple[LabelledImage, ...]) -> ScoreRequest:
        """The question about these images, with the way to read its reply."""
        question = Question(self.system, images, self.text, self.schema, self.score_range, self.delivery)
        if self.reply is not None:
            return ScoreRequest(question, self.dimensions, self.reply.read)
        if self.form == "yes_no":
            (name,) = self.dimensions
            return ScoreRequest(question, self.dimensions, lambda reply: {name: float(parse_yes_no(reply))})
        if len(self.dimensions) == 1:
            return score_request(question, self.dimensions[0])
        low, high = self.score_range
        return ScoreRequest(question, self.dimensions, lambda reply: parse_scores(reply, self.dimensions, low, high))


def judge_prompt(
    prompt: PromptTemplate, dimensions: tuple[str, ...], values: Mapping[str, Any], **changes: Any
) -> JudgePrompt:
    """Renders a prompt file with `values`; `changes` are further fields of the `JudgePrompt`."""
    system, text = prompt.render(**values)
    return JudgePrompt(system, text, f"{prompt.version} {prompt.sha256}", dimensions, **changes)


def sent(request: ScoreRequest) -> SentPrompt:
    """The words of a request, for the verdict that comes of it."""
    question = request.question
    return SentPrompt(question.system_prompt, tuple(shown.label for shown in question.images), question.text)


@dataclass(frozen=True)
class JudgedQuestion:
    """What a scorer asks about one sample: rendered once, hashed into the verdict's key, sent to the judge."""

    prompts: tuple[JudgePrompt, ...]
    sample: EditSample

    @property
    def shows_reference(self) -> bool:
        """Whether any prompt shows the reference image."""
        return any("reference" in one.shows for one in self.prompts)

    def key(self) -> Any:
        """The prompts, and what tells images besides source and edit from others where they are shown; JSON-able."""
        key: list[Any] = [one.key() for one in self.prompts]
        reference = [reference_key(self.sample)] if self.shows_reference else []
        return [*key, *reference, *self.further_sources_key()]

    def further_sources_key(self) -> list[list[str]]:
        """What tells the further source pictures from others, where there are any and a prompt shows the source."""
        shown = self.sample.further_sources and any("source" in one.shows for one in self.prompts)
        return [further_keys(self.sample)] if shown else []
