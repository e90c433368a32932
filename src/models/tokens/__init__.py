"""Pictures as tokens: the grammar of a picture, prompts, constrained sampling, and the codes of a VQ-VAE.

Editors made of these are in `models/diffusion/implementations/`.
"""
