"""`ProtocolScorer`: scores edits by a published protocol, of a benchmark or a reward model, named with its version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pydantic
from PIL import Image

from src.data.image import ImageError
from src.data.sample import EditSample
from src.data.verdict import Verdict
from src.errors import ConfigError, did_you_mean
from src.models.reward.vision_language_judge import VisionLanguageJudge
from src.models.vlm.asking import Answer
from src.models.vlm.chat_model import ChatModel
from src.models.vlm.official_prompts import OfficialPrompts, read_official_prompts
from src.models.vlm.prompts import PROMPTS_FOLDER, PromptTemplate, load_prompt
from src.models.vlm.question import LabelledImage
from src.rewards.core.judge_prompt import JudgePrompt
from src.rewards.core.judged_scorer import JudgedParams, JudgedScorer
from src.rewards.core.means import mean_of_repeats
from src.rewards.core.scorer import EditedSample, ScorerSetting
from src.rewards.scorers.protocols.complex_edit import ComplexEdit
from src.rewards.scorers.protocols.edit_score import EditScore, EditScoreAPI, EditScoreQwen25
from src.rewards.scorers.protocols.firm_edit import FirmEdit
from src.rewards.scorers.protocols.gedit import GEdit, GEditQwen
from src.rewards.scorers.protocols.imgedit import ImgEdit, ImgEditUGE
from src.rewards.scorers.protocols.kris import Kris
from src.rewards.scorers.protocols.protocol import (
    OWN_SCORE,
    Call,
    Protocol,
    ProtocolPrompt,
    Shown,
    between_pictures,
)
from src.rewards.scorers.protocols.rational_rewards import RationalRewards
from src.rewards.scorers.protocols.rise import Rise
from src.rewards.scorers.protocols.unified_reward import UnifiedRewardEdit
from src.rewards.scorers.protocols.uniredit import UniREdit

PROTOCOLS: dict[str, Protocol] = {
    one.facts.name: one
    for one in (
        *(GEdit(), GEditQwen(), ImgEdit(), ImgEditUGE(), Rise(), Kris(), UniREdit(), ComplexEdit()),
        *(EditScore(), EditScoreQwen25(), EditScoreAPI(), FirmEdit(), UnifiedRewardEdit(), RationalRewards()),
    )
}
"""Every protocol by its name."""


class ProtocolScorer(JudgedScorer):
    """The score of a published protocol, mapped to 0–10; docs/protocols.md says what such a number means.

    The protocol is that of a benchmark, or the one by which a published reward model is asked.

    Calls, order and codec of the pictures, sampling, the form of replies and the formula are the protocol's own, each
    stated in `src/data/protocols`. The wording of the questions is this project's, unless `official_prompts` names a
    checkout of the benchmark's repository. A reply that cannot be read is asked again and then leaves the edit without
    a score, whatever the official script makes of it: it becomes no random number, no 0 and no middle of the scale.

    Dimensions: the values that were asked for and `protocol_score`, all on the protocol's own scale.

    Raises:
        ConfigError: on construction, for official prompts that cannot be read, or a judge whose settings contradict
            the protocol.
    """

    class Params(JudgedParams):
        """Which protocol, whose words, and whose settings."""

        protocol: str
        """Name and version, such as `gedit@2025-05`."""
        official_prompts: Path | None = None
        """The root of a checkout of the benchmark's repository, from whose files the texts are read without running
        them; this project's own wording when absent."""
        as_published: bool = False
        """Reproduce the defects of the official script that docs/protocols.md names."""
        sampling: Literal["protocol", "judge"] = "protocol"
        """Whose temperature and limit of tokens are sent; `judge` takes those of `reward_model.params`."""

        @pydantic.model_validator(mode="before")
        @classmethod
        def _as_often_as_published(cls, data: Any) -> Any:
            """Without a number of its own, `repeats` is that of the protocol."""
            known = PROTOCOLS.get(str(data.get("protocol"))) if isinstance(data, dict) else None
            return {"repeats": known.repeats, **data} if known else data

        @pydantic.field_validator("protocol")
        @classmethod
        def _is_known(cls, name: str) -> str:
            if name not in PROTOCOLS:
                raise ValueError(
                    f"there is no such protocol.{did_you_mean(name, list(PROTOCOLS))} Known: {', '.join(PROTOCOLS)}"
                )
            return name

    def __init__(self, params: Mapping[str, Any] | None = None, setting: ScorerSetting | None = None) -> None:
        self._protocol: Protocol = PROTOCOLS[self.Params(**(params or {})).protocol]
        super().__init__(params, setting)
        folder = self.params.official_prompts
        self._official: OfficialPrompts | None = None
        if folder is not None:
            self._official = read_official_prompts(Path(folder).expanduser(), self._protocol.official)

    def check_judge(self) -> None:
        """Refuses a judge that only scores, is not shown the source, or gives expected scores."""
        super().check_judge()
        params = self._handle.model_class.Params
        judge = params(**self._handle.params) if params else None
        for name, wanted in (("compare_with_original", True), ("score_mode", "text")):
            if getattr(judge, name, wanted) != wanted:
                raise ConfigError(
                    f"reward_model.params.{name}: {self._protocol.facts.name} needs {str(wanted).lower()}; "
                    "remove the key"
                )

    def check_repeats(self) -> None:
        """Refuses to repeat questions that are asked at temperature 0, by the protocol or by the judge itself."""
        sampling = self._protocol.delivery.sampling
        if self._judge_samples_itself or sampling is None:
            super().check_repeats()
        elif self.params.repeats > 1 and sampling.temperature == 0:
            raise ConfigError(
                f"scorer.params.repeats: {self._protocol.facts.name} asks at temperature 0, where "
                f"{self.params.repeats} replies are one reply; set repeats to 1, or sampling to judge"
            )

    @property
    def _judge_samples_itself(self) -> bool:
        """Whether the judge's own settings hold: it is told so, or takes none with a question."""
        return self.params.sampling == "judge" or not issubclass(self._handle.model_class, ChatModel)

    def identity(self) -> dict[str, Any]:
        """What decides the verdicts: protocol, version, whose words and settings, and the judge."""
        found = super().identity()
        params = {name: value for name, value in found["params"].items() if name != "official_prompts"}
        told: dict[str, Any] = {"name": self._protocol.facts.name, "version": self._protocol.VERSION}
        told["sampling"] = "judge" if self._judge_samples_itself else "protocol"
        if self._official is not None:
            told |= {"official_prompts": {"sha256": self._official.sha256, "version": self._official.version}}
        return found | {"params": params, "protocol": told}

    def prompt_versions(self) -> dict[str, str]:
        """The hash of the official file, or of each of this project's own prompts for the protocol."""
        if self._official is not None:
            return {f"{self._protocol.facts.name} {self._official.path.name}": self._official.sha256}
        folder = PROMPTS_FOLDER / self._folder
        names = (path.name.partition(".")[0] for path in folder.glob("*.en.j2"))
        prompts = [self._own_prompt(name) for name in sorted(names) if name != "frame"]
        return {prompt.version: prompt.sha256 for prompt in prompts}

    def needs_source(self, sample: EditSample) -> bool:
        """The protocols are those of benchmarks of editing."""
        return True

    def inapplicable(self, sample: EditSample) -> str | None:
        """Says so where the protocol has nothing to say about the sample, or would not show all its sources."""
        if reason := self._problem(sample) or super().inapplicable(sample):
            return reason
        shown = {one.place for call in self._calls(sample) for one in call.shown if one.picture == "source"}
        if len(shown) > len(sample.further_sources):
            return None
        count = 1 + len(sample.further_sources)
        return (
            f"{self._protocol.facts.name} shows {len(shown)} of the sample's {count} source pictures" if shown else None
        )

    def judge_prompts(self, sample: EditSample) -> list[JudgePrompt]:
        """The protocol's calls about an applicable sample; none about another."""
        return [] if self._problem(sample) else [self._prompt(call) for call in self._calls(sample)]

    def conclude(self, edit: EditedSample, values: dict[str, float]) -> tuple[float, dict[str, float | None]]:
        """The protocol's score on 0–10; values and the score on the protocol's own scale are reported."""
        own = self._protocol.own_score(edit.sample, values, as_published=self.params.as_published)
        return self._protocol.facts.of_ten(own), {**values, **self._protocol.derived(values), OWN_SCORE: own}

    def _verdict(self, edit: EditedSample, answers: Sequence[Answer]) -> Verdict:
        """The verdict; of several passes, the mean of their scores where the protocol takes it."""
        verdict = super()._verdict(edit, answers)
        return mean_of_repeats(verdict) if self._protocol.averages_scores and verdict.repeats else verdict

    def _problem(self, sample: EditSample) -> str | None:
        """Why the sample cannot be asked about: by the protocol, or as the official file lacks a text for it."""
        if reason := self._protocol.inapplicable(sample):
            return reason
        if self._official is not None:
            try:
                for call in self._calls(sample):
                    self._prompt(call)
            except ConfigError as error:
                return str(error)
        return None

    def _calls(self, sample: EditSample) -> list[Call]:
        return self._protocol.calls(sample, as_published=self.params.as_published)

    def _own_prompt(self, name: str) -> PromptTemplate:
        """A prompt in this project's own wording: English, as the official ones are, whatever the run's language."""
        return load_prompt(self._folder, name, "en")

    @property
    def _folder(self) -> str:
        return f"protocols/{self._protocol.FOLDER or self._protocol.facts.short_name.replace('-', '_')}"

    def _prompt(self, call: Call) -> ProtocolPrompt:
        official = self._official
        if official is None:
            own = self._own_prompt(call.name)
            system, text, shown = between_pictures(call, lambda values: own.render(**values))
            template = f"{own.version} {own.sha256}"
        else:
            system, text, shown = between_pictures(
                call,
                lambda values: (official.render(call.official_system, values), official.render(call.official, values)),
            )
            template = f"{' + '.join(call.official_system + call.official)} of {official.sha256}"
            system += call.added_to_system
        delivery = call.delivery or self._protocol.delivery
        if self._judge_samples_itself:
            delivery = replace(delivery, sampling=None)
        return ProtocolPrompt(
            system,
            text,
            template,
            call.dimensions,
            shows=tuple(one.picture for one in shown),
            score_range=self._protocol.facts.scale,
            schema=call.schema,
            reply=call.reply,
            delivery=delivery,
            shown=shown,
        )

    def _images(self, asked: JudgePrompt, edit: EditedSample, judge: VisionLanguageJudge) -> tuple[LabelledImage, ...]:
        assert isinstance(asked, ProtocolPrompt), f"not a prompt of a protocol: {asked!r}"
        prepare = self._protocol.prepare
        return tuple(LabelledImage(one.label, prepare(_pixels(one, edit), edit.given_source)) for one in asked.shown)


def _pixels(shown: Shown, edit: EditedSample) -> Image.Image:
    """The pixels of a picture that is shown.

    Raises:
        ImageError: there is none, or it cannot be decoded.
    """
    if shown.picture == "edited":
        return edit.edited
    if shown.picture == "source":
        return edit.given_source if shown.place == 0 else edit.sample.further_sources[shown.place - 1].decode()
    if edit.sample.reference is None:
        raise ImageError("the sample has none")
    return edit.sample.reference.decode()
