"""`ScalarHeadModel`: a vision-language model whose last hidden state becomes one number."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import SequenceClassifierOutput

from src.errors import ModelError


class ScalarHeadModel(nn.Module):
    """The body of a vision-language model with one linear layer, in float32, on the last token's hidden state.

    Inputs must be padded on the left: the last position is the last token of every row. The output has the form of
    `transformers`' sequence classifiers with one label, so that TRL's `RewardTrainer` can train it.
    """

    def __init__(self, model: Any) -> None:
        """Takes the body of a loaded `AutoModelForImageTextToText`; its language-model head is dropped.

        Raises:
            ModelError: the model has no body apart from its head.
        """
        super().__init__()
        body = model.base_model
        if body is model:
            raise ModelError(f"{type(model).__name__} has no body apart from its head, on which a scalar could be read")
        self.body = body
        self.config = model.config
        self.config.num_labels = 1
        width = self.config.get_text_config().hidden_size
        self.head = nn.Linear(width, 1, bias=False, dtype=torch.float32)
        nn.init.normal_(self.head.weight, std=width**-0.5)

    def forward(self, margin: Any = None, **inputs: Any) -> SequenceClassifierOutput:
        """Computes one number a row.

        Args:
            margin: The margin of each pair, which the trainer's loss uses and the model does not.
            inputs: What the processor gives: `input_ids` (rows × tokens, padded on the left), pixels and so on.

        Returns:
            An output whose `logits` are float32, rows × 1.
        """
        last = self.body(**inputs).last_hidden_state[:, -1]
        with torch.autocast(last.device.type, enabled=False):
            return SequenceClassifierOutput(logits=self.head(last.float()))

    def gradient_checkpointing_enable(self, **settings: Any) -> None:
        """Lets the body compute its activations again in the backward pass, also where its embedding is frozen."""
        self.body.gradient_checkpointing_enable(**settings)
        self.body.enable_input_require_grads()

    def add_model_tags(self, tags: Any) -> None:
        """Does nothing: tags are for model cards of the hub, of which none is written."""
