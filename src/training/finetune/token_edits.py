"""`TokenEditLesson`: a token editor learns to write the codes of the right edit, from tokenised data."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, overload

from src.counted import counted
from src.data.token_shards import EditShape, TokenisedEdit
from src.errors import DataError, ModelError
from src.models.tokens.checkpoint import (
    checkpoint_folder,
    codec_digest,
    load_token_editor,
    require_token_editor,
    stored_config,
    stored_vocabulary,
)
from src.models.tokens.frozen_codec import freeze_codec, keep_codec
from src.models.tokens.picture_grammar import PictureVocabulary
from src.models.tokens.prompt import EditPrompts
from src.models.weights import resolve_revision
from src.training.config import DataFile
from src.training.dataset import NAMED
from src.training.finetune.config import FinetuneConfig, TokenEditData
from src.training.finetune.lesson import IGNORED, Lesson, TaughtData
from src.training.policy_check import check_policy
from src.training.token_data import MixedTokens

Row = Mapping[str, list[int]]
_NO_THOUGHT = "it has no rationale, which token_edits.thinking_tokens would have the model write"


@dataclass(frozen=True)
class EditSequences(Sequence[Row]):
    """Tokenised edits as sequences of ids: a prompt, and the completion that is learned.

    The prompt is the one of `TokenEditModel`. The completion is all that its grammar has behind it: a thought where
    thinking is on, the picture's codes with the ends of lines and frame, and the end of the sequence.
    """

    edits: Sequence[TokenisedEdit]
    prompts: EditPrompts
    thinking_suffix: str = ""
    places: Sequence[int] | None = None
    """Which edits are taken, in order; None takes all."""

    def __len__(self) -> int:
        """The number of sequences."""
        return len(self.edits) if self.places is None else len(self.places)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        """`input_ids` and `labels` of an edit, the latter `IGNORED` in the prompt; or those of a slice."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        edit = self.edits[range(len(self))[place] if self.places is None else self.places[place]]
        grammar = self.prompts.grammar(len(edit.target), len(edit.target[0]))
        prompt = self.prompts.prompt(edit.source, edit.instruction, grammar)
        picture = grammar.picture.encode(edit.target)
        if self.prompts.thinking_tokens:
            picture = [*self._thought(edit.rationale or ""), *grammar.header, *picture]
        return {"input_ids": [*prompt, *picture], "labels": [IGNORED] * len(prompt) + picture}

    def length(self, shape: EditShape) -> int:
        """The number of tokens of an edit's sequence, which needs no codes."""
        prompts = self.prompts
        pictures = self._picture_length(*shape.source) + self._picture_length(*shape.target) + 1  # the sequence's end
        if not prompts.thinking_tokens:
            return 1 + pictures + len(prompts.text(shape.instruction))
        thought = len(self._thought(shape.rationale or ""))
        if prompts.instruction_first:
            return 1 + pictures + len(prompts.text(shape.instruction)) + self._prefill_length + thought
        return 1 + pictures + len(prompts.text(shape.instruction + prompts.thinking_prefill)) + thought

    def _thought(self, rationale: str) -> list[int]:
        """The tokens of a thought, cut in front of its suffix at `thinking_tokens`."""
        end = self.prompts.text(self.thinking_suffix)
        return [*self.prompts.text(rationale)[: max(0, self.prompts.thinking_tokens - len(end))], *end]

    @cached_property
    def _prefill_length(self) -> int:
        return len(self.prompts.text(self.prompts.thinking_prefill))

    @cached_property
    def _picture_length(self) -> Any:
        @lru_cache(maxsize=4096)
        def length(rows: int, columns: int) -> int:
            grammar = self.prompts.grammar(rows, columns)
            return len(grammar.header) + len(grammar.picture) - 1

        return length


@dataclass(frozen=True)
class _Weights:
    """What `load_token_editor` needs to know."""

    model_name: str
    revision: str | None
    dtype: str


class TokenEditLesson(Lesson):
    """Teaches the section `token_edits` of a config.

    Raises:
        ConfigError: nothing yet; `check_model` and `read` look.
    """

    LOADS_WHOLE: ClassVar[bool] = True
    """While transformers (5.23) loads a VQ-VAE, it needs the shapes of its weights, which ZeRO-3 has flattened."""

    def __init__(self, config: FinetuneConfig, data: TokenEditData) -> None:
        self._policy, self._data, self._seed = config.adapted, data, config.training.seed

    def check_model(self) -> None:
        """Raises `ModelError` for what is no token editor, `ConfigError` for an adapter that does not fit."""
        require_token_editor(self._policy.model, self._policy.revision)
        resolve_revision(self._policy.model, self._policy.revision)
        check_policy(self._policy)

    def read(self, folder: Path) -> tuple[TaughtData, TaughtData | None]:
        """Opens the folders, and compares them with the model: codec, vocabulary and positions.

        Raises:
            DataError: data of another codec, codes without tokens, nothing that fits, or sources that are held out
                and trained on.
        """
        mixed = MixedTokens(self._data.files, self._seed)
        held_out = None
        if self._data.held_out is not None:
            held_out = MixedTokens([DataFile(path=self._data.held_out)], self._seed)
            _refuse_overlap(mixed, held_out, self._data.held_out)
        names = ", ".join(file.path for file in self._data.files)
        train = self._taught(mixed, f"token_edits.train ({names})")
        where = f"token_edits.held_out ({self._data.held_out})"
        return train, None if held_out is None else self._taught(held_out, where)

    def _taught(self, edits: MixedTokens, where: str) -> TaughtData:
        digest, known = self._digest, self._vocabulary
        if (made := edits.encoder.get("codec")) != digest:
            raise DataError(
                f"{where} was tokenised by another codec than that of {self._policy.model} ({str(made)[:12]}…, and not "
                f"{digest[:12]}…): its codes mean other pictures; run data tokenize with --model {self._policy.model}"
            )
        low, high = edits.codes_used()
        if low < 0 or high >= len(known.codes):
            raise DataError(
                f"{where} has codes from {low} to {high}, and {self._policy.model} has tokens for "
                f"{len(known.codes)} from 0; run data tokenize with --model {self._policy.model}"
            )
        sequences = EditSequences(edits, self._prompts, self._data.thinking_suffix)
        places, left_out = array("l"), {}
        for place, shape in enumerate(edits.shapes()):
            if (reason := self._why_not(sequences, shape)) is None:
                places.append(place)
            else:
                left_out[shape.sample_id] = reason
        if not places:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in [*left_out.items()][:NAMED])
            raise DataError(f"nothing of {where} can be learned; the first reasons: {reasons}")
        return TaughtData(replace(sequences, places=places), left_out)

    def _why_not(self, sequences: EditSequences, shape: EditShape) -> str | None:
        if self._data.thinking_tokens and not (shape.rationale or "").strip():
            return _NO_THOUGHT
        length, most = sequences.length(shape), self._positions
        if length > most:
            return f"its {length} tokens exceed the {most} positions of the model; tokenise with a smaller --image-area"
        return None

    def lines(self, train: TaughtData, held_out: TaughtData | None) -> Iterator[str]:
        """How many edits, and whether with thoughts."""
        form = "thoughts and pictures" if self._data.thinking_tokens else "pictures"
        beside = "" if held_out is None else f", {len(held_out.rows)} held out"
        yield f"token edits: an epoch of {counted(len(train.rows), 'edit', 'edits')}{beside}; learned are {form}"

    def load(self, number_type: str, checkpoint: Path | None) -> tuple[Any, Any]:
        """The `Emu3ForConditionalGeneration`, its VQ-VAE without gradients, and its `Emu3Processor`."""
        import torch

        policy = self._policy
        source = (policy.model, policy.revision) if checkpoint is None else (str(checkpoint), None)
        model, processor = load_token_editor(_Weights(*source, number_type), "cpu")
        freeze_codec(model.model.vqmodel)
        if policy.attn_implementation is not None:
            model.set_attn_implementation(policy.attn_implementation)
        torch.manual_seed(self._seed)
        return model, processor

    def finish(self, policy: Path) -> None:
        """Sees to it that a whole model has the codec that its data were made with."""
        if self._policy.lora is None:
            keep_codec(self._folder, policy)

    def collate(self, rows: Sequence[Any]) -> Mapping[str, Any]:
        """Pads on the right, to the longest sequence of the batch."""
        import torch

        longest = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, filler: int) -> Any:
            return torch.tensor([[*row[name], *[filler] * (longest - len(row[name]))] for row in rows])

        is_token = torch.tensor([[1] * len(row["labels"]) + [0] * (longest - len(row["labels"])) for row in rows])
        known = self._vocabulary
        return {
            "input_ids": padded("input_ids", known.pad),
            "attention_mask": is_token,
            "labels": padded("labels", IGNORED),
        }

    @cached_property
    def _folder(self) -> Path:
        return checkpoint_folder(self._policy.model, self._policy.revision)

    @cached_property
    def _digest(self) -> str:
        return codec_digest(self._folder)

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return stored_config(str(self._folder), None) or {}

    @cached_property
    def _text_settings(self) -> Any:
        from transformers import Emu3TextConfig

        return Emu3TextConfig(**(self._settings.get("text_config") or {}))

    @property
    def _positions(self) -> int:
        most: int = self._text_settings.max_position_embeddings
        return most

    @cached_property
    def _vocabulary(self) -> PictureVocabulary:
        return stored_vocabulary(self._settings)

    @cached_property
    def _prompts(self) -> EditPrompts:
        from transformers import Emu3Processor

        try:
            tokenizer = Emu3Processor.from_pretrained(self._folder).tokenizer
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise ModelError(f"the processor of {self._policy.model} could not be loaded ({error})") from error
        data = self._data
        return EditPrompts(
            tokenizer, self._vocabulary, data.thinking_prefill, data.thinking_tokens, data.instruction_first
        )


def _refuse_overlap(train: MixedTokens, held_out: MixedTokens, path: str) -> None:
    kept = {shape.source_sha256: shape.sample_id for shape in held_out.shapes()}
    shared = {kept[shape.source_sha256]: shape.sample_id for shape in train.shapes() if shape.source_sha256 in kept}
    if shared:
        named = ", ".join(f"{one} = {other}" for one, other in [*shared.items()][:NAMED])
        raise DataError(
            f"{counted(len(shared), 'edit', 'edits')} of token_edits.held_out ({path}) share a source picture with "
            f"what is trained on ({named}): tokenise other samples for one of them"
        )
