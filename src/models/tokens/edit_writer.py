"""`EditWriter`: the form in which a token editor is asked for an edit, and requests in that form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pydantic

from src.models.base import ModelParams
from src.models.tokens.completion_grammar import CompletionGrammar
from src.models.tokens.picture_codec import PictureCodec
from src.models.tokens.picture_grammar import PictureVocabulary
from src.models.tokens.prompt import Codes, EditPrompts
from src.models.tokens.sampling import TokenRequest

CodeCount = Annotated[int, pydantic.Field(ge=1, le=256)]


class EditFormParams(ModelParams):
    """In which form a token editor is shown a source and an instruction, and writes the edit."""

    image_area: Annotated[int, pydantic.Field(ge=64)] | None = None
    """How many pixels of the source the model sees at most; None leaves it to the checkpoint's processor."""
    grid: tuple[CodeCount, CodeCount] | None = None
    """Rows and columns of codes of every edit; None takes the source's own."""
    thinking_tokens: int = pydantic.Field(0, ge=0)
    """The largest number of tokens of text in front of the picture; 0 has the picture follow at once."""
    thinking_prefill: str = " Let's think step by step. <|start thinking|>"
    """The words with which the text begins, which the model has been taught; those of EARL."""
    instruction_first: bool = False
    """Whether the instruction precedes the source in the prompt, instead of following it."""

    def prompts(self, tokenizer: Any, vocabulary: PictureVocabulary) -> EditPrompts:
        """What writes prompts in this form."""
        thinking = (self.thinking_prefill, self.thinking_tokens)
        return EditPrompts(tokenizer, vocabulary, *thinking, self.instruction_first)


@dataclass(frozen=True)
class EditWriter:
    """Writes requests in one form."""

    codec: PictureCodec
    prompts: EditPrompts
    grid: tuple[int, int] | None = None
    """Rows and columns of codes of every edit; None takes the source's own."""

    def grammar(self, rows: int, columns: int) -> CompletionGrammar:
        """What may follow a prompt whose source has so many rows and columns of codes."""
        return self.prompts.grammar(*(self.grid or (rows, columns)))

    def request(self, source: Codes, instruction: str, seed: int, negative: str | None = None) -> TokenRequest:
        """The prompt of an edit, the grammar of its answer and the seed of its draws.

        Args:
            source: The codes of the source.
            instruction: In words.
            seed: Of the draws.
            negative: What stands in the place of the instruction in the prompt away from which guidance leads.
        """
        grammar = self.grammar(len(source), len(source[0]))
        unguided = () if negative is None else self.prompts.prompt(source, negative, grammar)
        return TokenRequest(self.prompts.prompt(source, instruction, grammar), grammar, seed, unguided)
