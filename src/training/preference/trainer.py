"""TRL's `RewardTrainer` for pairs of pictures: what it is given, and what it would do with texts alone.

Of TRL (1.16) the loop, the Bradley–Terry loss with margins, the optimizer, checkpoints and early stopping are used. It
reads texts only: a dataset with `chosen_ids` and `rejected_ids` counts as tokenized, so here these columns hold the
number of the pair, and the collator makes the questions, with their pictures, when they are drawn. Its measurement on
held-out data is replaced: it has no interval, and averages batches of unequal size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.models.reward.trained_preference import load_trained, preference_question, save_trained
from src.models.vlm.question import Question
from src.reporting.statistics import mean_interval
from src.training.preference.config import PreferenceConfig
from src.training.preference.data import PreferenceExample, PreferenceSplit
from src.training.preference.model import TrainableJudge, checkpoints_folder, computes_in_bfloat16

if TYPE_CHECKING:
    from transformers import TrainerCallback
    from trl import RewardConfig, RewardTrainer

_SHARE = (0.0, 1.0)
Collator = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]


def trainer_arguments(config: PreferenceConfig) -> RewardConfig:
    """TRL's arguments for a config."""
    import torch
    from trl import RewardConfig

    warnings.filterwarnings("ignore", r"`\w*gradient_checkpointing\w*` is deprecated", FutureWarning)
    settings = config.training
    same = {
        "seed", "max_steps", "gradient_accumulation_steps", "learning_rate", "lr_scheduler_type", "warmup_steps",
        "weight_decay", "max_grad_norm", "gradient_checkpointing", "center_rewards_coefficient",
    }  # fmt: skip
    has_accelerator = torch.cuda.is_available() or torch.backends.mps.is_available()
    return RewardConfig(
        **settings.model_dump(include=same),
        output_dir=str(checkpoints_folder(config)),
        per_device_train_batch_size=settings.batch_size,
        bf16=computes_in_bfloat16(config),
        use_cpu=not has_accelerator,
        dataloader_pin_memory=has_accelerator,
        eval_strategy="steps",
        eval_steps=settings.evaluate_every,
        save_strategy="steps",
        save_steps=settings.evaluate_every,
        save_total_limit=2,  # the best and the newest
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,  # patience is counted over breaks
        max_length=None,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
    )


def questions_of(examples: Sequence[PreferenceExample], choose: Callable[[PreferenceExample], Any]) -> list[Question]:
    """The question about one picture of each pair, which `choose` names: the chosen, the rejected or the source."""
    return [
        preference_question(one.source.decode(), choose(one).decode(), one.instruction, one.rationale)
        for one in examples
    ]


def pair_collator(judge: TrainableJudge, train: Sequence[PreferenceExample], margin_scale: float) -> Collator:
    """Makes a batch of rows: the questions about the chosen edits, then those about the rejected ones."""
    import torch

    def collate(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        pairs = [train[row["chosen_ids"][0]] for row in rows]
        questions = [*questions_of(pairs, lambda one: one.chosen), *questions_of(pairs, lambda one: one.rejected)]
        inputs = dict(judge.encoder(questions).to(judge.model.body.dtype))
        if margin_scale:
            inputs["margin"] = torch.tensor([margin_scale * one.margin for one in pairs])
        return inputs

    return collate


def build_trainer(
    config: PreferenceConfig, judge: TrainableJudge, split: PreferenceSplit, callbacks: Sequence[TrainerCallback]
) -> RewardTrainer:
    """Joins model, pairs and settings to a trainer."""
    from datasets import Dataset
    from transformers import EarlyStoppingCallback, PrinterCallback

    settings = config.training
    own = [EarlyStoppingCallback(settings.patience)] if settings.patience else []
    numbers = [[place] for place in range(len(split.train))]
    trainer = _trainer_class()(
        model=judge.model,
        args=trainer_arguments(config),
        data_collator=pair_collator(judge, split.train, settings.margin_scale),
        train_dataset=Dataset.from_dict({"chosen_ids": numbers, "rejected_ids": numbers}),
        eval_dataset=Dataset.from_dict({"chosen_ids": [[0]], "rejected_ids": [[0]]}),  # asked for, and never read
        processing_class=judge.tokenizer,
        callbacks=[*own, *callbacks],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.use_pairs(judge, split.held_out, settings.label_smoothing, settings.evaluation_batch_size)
    return trainer


def _trainer_class() -> Any:
    import torch
    from trl import RewardTrainer

    class PreferenceTrainer(RewardTrainer):
        """Stores trained weights alone, smooths labels, and measures held-out accuracy with its interval."""

        def use_pairs(
            self, judge: TrainableJudge, held_out: Sequence[PreferenceExample], smoothing: float, rows: int
        ) -> None:
            self._judge, self._held_out, self._smoothing, self._rows = judge, held_out, smoothing, rows

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
            if self._smoothing:
                chosen, rejected = outputs.logits.squeeze(-1).chunk(2)
                # With x the difference less the margin, (1 − ε)·(−log σ(x)) + ε·(−log σ(−x)) = −log σ(x) + ε·x.
                loss = loss + self._smoothing * (chosen - rejected - inputs.get("margin", 0.0)).mean()
            return (loss, outputs) if return_outputs else loss

        def rewards(self, questions: Sequence[Question]) -> list[float]:
            """The rewards of questions, as the model is now."""
            was_training = self.model.training
            self.model.eval()
            found: list[float] = []
            device, dtype = next(self.model.parameters()).device, self._judge.model.body.dtype
            with torch.inference_mode(), self.compute_loss_context_manager():
                for start in range(0, len(questions), self._rows):
                    inputs = self._judge.encoder(questions[start : start + self._rows]).to(device, dtype)
                    found += self.model(**inputs).logits.squeeze(-1).tolist()
            self.model.train(was_training)
            return found

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            right: list[float] = []
            for start in range(0, len(self._held_out), self._rows):
                pairs = self._held_out[start : start + self._rows]
                chosen = self.rewards(questions_of(pairs, lambda one: one.chosen))
                rejected = self.rewards(questions_of(pairs, lambda one: one.rejected))
                right += [order(*rewards) for rewards in zip(chosen, rejected, strict=True)]
            metrics = {"eval_accuracy": sum(right) / len(right)}
            if interval := mean_interval(right, [one.source_id for one in self._held_out], _SHARE):
                metrics |= {"eval_accuracy_low": interval[0], "eval_accuracy_high": interval[1]}
            was_training = self.model.training
            self.model.eval()  # by which TRL tells what it logs
            self.log(dict(metrics))
            self.model.train(was_training)
            handler: Any = self.callback_handler
            self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            pass

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            save_trained(self.accelerator.unwrap_model(self.model), Path(output_dir or self.args.output_dir))

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            load_trained(self.accelerator.unwrap_model(self.model), Path(resume_from_checkpoint))

        def _load_best_model(self) -> None:
            load_trained(self.accelerator.unwrap_model(self.model), Path(self.state.best_model_checkpoint))

    return PreferenceTrainer


def order(chosen: float, rejected: float) -> float:
    """1 where the chosen edit has the higher value, 0.5 where both have the same, else 0."""
    return 0.5 * (1.0 + (chosen > rejected) - (chosen < rejected))
