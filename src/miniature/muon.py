"""Muon for the matrices of a transformer, AdamW for all else, as one optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.miniature.trainer import WEIGHT_DECAY, adamw, decay_groups

if TYPE_CHECKING:
    import torch


class MuonWithAdamW:
    """Steps the matrices of a transformer's layers by Muon (Jordan et al. 2024), the rest by AdamW.

    Muon makes each step of a matrix near orthogonal, so that directions that the gradient seldom shows are learned as
    fast as others. Steps are scaled to the size of AdamW's (`match_rms_adamw`; Liu et al. 2025, arXiv 2502.16982).

    Args:
        layers: The layers; their matrices are Muon's.
        others: Modules whose parameters are AdamW's, as are the vectors of `layers`.
        peak_rate: The highest learning rate of Muon.
        adamw_share: AdamW's rate as a share of Muon's, at every step.
    """

    def __init__(
        self, layers: torch.nn.Module, others: list[torch.nn.Module], peak_rate: float, adamw_share: float
    ) -> None:
        import torch

        matrices = [weight for weight in layers.parameters() if weight.ndim == 2]
        vectors = [weight for weight in layers.parameters() if weight.ndim < 2]
        rest = [*vectors, *(weight for module in others for weight in module.parameters())]
        self.muon = torch.optim.Muon(matrices, lr=peak_rate, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw")
        self.adamw = adamw(decay_groups(rest), peak_rate, fused=True)
        for group in self.adamw.param_groups:
            group["rate_share"] = adamw_share

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both, whose rates the training loop sets."""
        return [*self.muon.param_groups, *self.adamw.param_groups]

    def step(self) -> None:
        """One step of both."""
        self.muon.step()
        self.adamw.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters."""
        self.muon.zero_grad(set_to_none)
        self.adamw.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The states of both, for a checkpoint."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Takes up what `state_dict` gave."""
        self.muon.load_state_dict(stored["muon"])
        self.adamw.load_state_dict(stored["adamw"])
