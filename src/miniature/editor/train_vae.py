"""Training of the miniature autoencoder on pictures of the miniature world."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.miniature.fast_cpu_training import use_single_frame_convolutions
from src.miniature.trainer import TrainingPlan, adamw, run_training, training_device

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKLQwenImage

LEARNING_RATE = 1e-3
KL_WEIGHT = 1e-5
"""Only keeps the latents from growing without bound; reconstruction matters."""
BATCH = 16
CHECKPOINT_EVERY = 500


def train_vae(vae: AutoencoderKLQwenImage, images: np.ndarray, steps: int, seed: int, checkpoint: Path) -> list[float]:
    """Trains `vae` in place and sets its latent statistics; resumes from `checkpoint` when it exists.

    Afterwards `vae` computes with single-frame convolutions: save its weights into a fresh one to use it elsewhere.

    Args:
        vae: The autoencoder.
        images: uint8 (n, 64, 64, 3).
        steps: Optimizer steps in all.
        seed: Decides the order of the pictures and the latent noise.
        checkpoint: File for weights and optimizer.

    Returns:
        The loss of every step made by this call.
    """
    device = training_device()
    vae.to(device)
    use_single_frame_convolutions(vae)
    plan = TrainingPlan(
        "autoencoder", steps, LEARNING_RATE, log_every=100, checkpoint=checkpoint, checkpoint_every=CHECKPOINT_EVERY
    )
    optimizer = adamw(vae.parameters(), LEARNING_RATE, weight_decay=0.01, fused=True)
    losses = run_training(plan, vae, optimizer, lambda step: _loss(vae, images, seed, step, device))
    _set_latent_statistics(vae, images[: 2 * len(images) : max(1, len(images) // 1024)])
    return losses


def _loss(vae: AutoencoderKLQwenImage, images: np.ndarray, seed: int, step: int, device: torch.device) -> torch.Tensor:
    import torch

    chosen = np.random.default_rng([seed, step]).integers(len(images), size=BATCH)
    pixels = as_frames(images[chosen]).to(device)
    posterior = vae.encode(pixels).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(step)).to(device)
    decoded = vae.decode(posterior.mean + posterior.std * noise).sample
    error = decoded - pixels
    return error.abs().mean() + error.square().mean() + KL_WEIGHT * posterior.kl().mean() / pixels[0].numel()


def _set_latent_statistics(vae: AutoencoderKLQwenImage, images: np.ndarray) -> None:
    """Writes the channels' mean and deviation into the config, by which the pipeline normalises latents."""
    latents = np.concatenate(list(encoded(vae, images, normalise=False)))
    vae.register_to_config(
        latents_mean=[round(float(mean), 5) for mean in latents.mean(axis=(0, 2, 3))],
        latents_std=[round(float(std), 5) for std in latents.std(axis=(0, 2, 3))],
    )


def encoded(vae: AutoencoderKLQwenImage, images: np.ndarray, normalise: bool = True) -> Iterator[np.ndarray]:
    """The latents of `images`, batch by batch: float32 (batch, channels, 16, 16), as the pipeline computes them."""
    import torch

    mean = np.array(vae.config.latents_mean, np.float32)[:, None, None]
    std = np.array(vae.config.latents_std, np.float32)[:, None, None]
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            pixels = as_frames(images[start : start + 64]).to(vae.device)
            latents = vae.encode(pixels).latent_dist.mode()[:, :, 0].float().cpu().numpy()
            yield (latents - mean) / std if normalise else latents


def as_frames(images: np.ndarray) -> torch.Tensor:
    """uint8 (n, height, width, 3) as the autoencoder's input: float32 (n, 3, 1, height, width) in −1…1."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).unsqueeze(2).float() / 127.5 - 1.0


def reconstruction_psnr(vae: AutoencoderKLQwenImage, images: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over `images` (uint8), of the mean squared error of all pixels."""
    import torch

    with torch.inference_mode():
        pixels = as_frames(images).to(vae.device)
        error = vae.decode(vae.encode(pixels).latent_dist.mode()).sample - pixels
    return float(10.0 * np.log10(4.0 / error.square().mean().item()))


def round_trips(vae: AutoencoderKLQwenImage, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What the autoencoder leaves of pictures: uint8 (64, 64, 3) in and out."""
    import torch

    passed: list[np.ndarray] = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 32):
            frames = as_frames(np.stack(pictures[start : start + 32])).to(vae.device)
            decoded = vae.decode(vae.encode(frames).latent_dist.mode()).sample[:, :, 0]
            pixels = ((decoded.permute(0, 2, 3, 1).cpu().numpy() + 1.0) * 127.5).round().clip(0, 255)
            passed += list(pixels.astype(np.uint8))
    return passed
