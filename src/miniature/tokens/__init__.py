"""The miniature token editor: a VQ-VAE and an Emu3 with transformers' own classes, and the recipe that makes them."""
