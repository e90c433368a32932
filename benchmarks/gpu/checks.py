"""The checks, in the order in which they run: the quick ones first, what may not fit into the time last."""

from __future__ import annotations

from benchmarks.gpu.check import Check

EDITING, RUNS, FULL_SIZE, TRAINING = "editing", "runs", "full size", "training"
_EDITING = "benchmarks.gpu.editing"
_VARIANTS = "benchmarks.gpu.variants"
_RUNS = "benchmarks.gpu.runs"
_FULL_SIZE = "benchmarks.gpu.full_size"
_TRAINING = "benchmarks.gpu.training"

CHECKS = (
    Check(f"{_EDITING}:placement", "weights lie on the GPU that is asked for, leave it and come back", 120, EDITING),
    Check(f"{_EDITING}:noise", "a sample's noise is that of the CPU, and so is its picture in float32", 60, EDITING),
    Check(f"{_EDITING}:bfloat16", "bfloat16 makes the CPU's picture and float32's, but for rounding", 60, EDITING),
    Check(f"{_EDITING}:batches", "edits in one batch are single edits, but for rounding", 60, EDITING),
    Check(f"{_EDITING}:offload", "weights that wait in main memory make the same picture", 60, EDITING),
    Check(f"{_VARIANTS}:attention_pictures", "every attention backend here makes the same picture", 90, EDITING),
    Check(f"{_VARIANTS}:cache_pictures", "how far the caches of diffusers move a picture", 60, EDITING),
    Check(f"{_EDITING}:out_of_memory", "editor and judge say what to change, and work on afterwards", 90, EDITING),
    Check(f"{_VARIANTS}:compiled_picture", "compiled blocks make the same picture", 120, EDITING),
    Check(f"{_RUNS}:two_stage", "with both on one GPU, the editor has left it before the judge loads", 120, RUNS),
    Check(f"{_RUNS}:replicas", "an editor on each of two GPUs: both work, and the edits are those of one", 120, RUNS),
    Check(f"{_FULL_SIZE}:qwen_512_guided", "Qwen-Image-Edit, 20B, 512/512 against the stock call", 240, FULL_SIZE),
    Check(f"{_FULL_SIZE}:qwen_512_unguided", "the same without guidance", 90, FULL_SIZE),
    Check(f"{_FULL_SIZE}:qwen_1024_guided", "1024/1024 against the stock call", 120, FULL_SIZE),
    Check(f"{_FULL_SIZE}:qwen_1024_unguided", "the same without guidance", 90, FULL_SIZE),
    Check(f"{_FULL_SIZE}:qwen_attention", "seconds an edit for each attention backend", 90, FULL_SIZE),
    Check(f"{_FULL_SIZE}:qwen_caches", "seconds an edit for each cache", 90, FULL_SIZE),
    Check(f"{_FULL_SIZE}:qwen_compiled", "seconds an edit with compiled blocks, and of compiling", 180, FULL_SIZE),
    Check(f"{_TRAINING}:training_precision", "full training in bfloat16 changes what float32 does", 150, TRAINING),
    Check(f"{_TRAINING}:after_full_float32", '"after" is the trained policy: full, float32', 90, TRAINING),
    Check(f"{_TRAINING}:after_full_bfloat16", "full, bfloat16", 90, TRAINING),
    Check(f"{_TRAINING}:after_lora_float32", "LoRA, float32", 90, TRAINING),
    Check(f"{_TRAINING}:after_lora_bfloat16", "LoRA, bfloat16", 90, TRAINING),
    Check("benchmarks.gpu.rollouts:vllm_rollouts", "vLLM samples from the policy that is trained", 240, "vllm"),
)
