"""The checks of `python -m benchmarks.gpu_check`: what only a GPU can prove."""
