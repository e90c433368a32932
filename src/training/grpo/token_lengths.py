"""`TokenLengths`: how long prompts and completions of a token editor are, told before its weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from src.data.image import image_size
from src.errors import ModelError
from src.models.tokens.checkpoint import pixels_per_code, stored_config, stored_vocabulary
from src.models.tokens.edit_writer import EditFormParams
from src.models.tokens.picture_codec import grid_of
from src.models.weights import pinned
from src.training.tasks.example import Example


@dataclass(frozen=True)
class TokenLength:
    """Numbers of tokens."""

    prompt: int
    completion: int


class TokenLengths:
    """Computes lengths from the files of a checkpoint.

    Args:
        model_name: Folder or hub id, whose files are here.
        revision: Of a hub id.
        config: The checkpoint's `config.json`.
        form: In which edits are written.

    Raises:
        ModelError: its tokenizer or its processor of pictures cannot be read.
    """

    def __init__(self, model_name: str, revision: str | None, config: dict[str, Any], form: EditFormParams) -> None:
        import transformers
        from transformers import Emu3Config

        try:
            processor = transformers.Emu3Processor.from_pretrained(model_name, **pinned(model_name, revision))
        except (OSError, ValueError) as error:
            raise ModelError(f"policy.model: the processor of {model_name} cannot be read ({error})") from error
        self._pixels, self._form = processor.image_processor, form
        self._prompts = form.prompts(processor.tokenizer, stored_vocabulary(config))
        self._factor = round(pixels_per_code(config) ** 0.5)
        self._picture = cache(self._picture_length)
        self.positions = int(Emu3Config.from_dict(config).text_config.max_position_embeddings)
        """How many tokens the policy has room for, prompt and completion together."""

    @classmethod
    def stored(cls, model_name: str, revision: str | None, form: EditFormParams) -> TokenLengths | None:
        """Those of a checkpoint that is here; None for one on the hub of which the local cache has no config."""
        config = stored_config(model_name, revision)
        return None if config is None else cls(model_name, revision, config, form)

    def of(self, example: Example) -> TokenLength:
        """The lengths of an example, with its source upright or lying: a camera's turn is not looked for.

        Raises:
            ModelError: the processor refuses the source.
        """
        width, height = image_size(example.images[0].read_bytes())
        return self._longest([self._length(example.request, size) for size in ((width, height), (height, width))])

    @staticmethod
    def _longest(lengths: Sequence[TokenLength]) -> TokenLength:
        return max(lengths, key=lambda one: one.prompt + one.completion)

    def _length(self, request: str, size: tuple[int, int]) -> TokenLength:
        rows, columns = grid_of(size, self._form.image_area, self._pixels, self._factor)
        grammar = self._prompts.grammar(*(self._form.grid or (rows, columns)))
        shortest = len(self._prompts.prompt([[0]], request, grammar))
        return TokenLength(shortest - self._picture(1, 1) + self._picture(rows, columns), grammar.longest)

    def _picture_length(self, rows: int, columns: int) -> int:
        return len(self._prompts.picture([[0] * columns] * rows))
