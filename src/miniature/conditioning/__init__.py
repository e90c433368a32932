"""The miniature editor's text encoder as a policy: it is taught to write, and the transformer to follow what it wrote.

`src.training.tasks.conditioning.ConditioningTask` trains it further by GRPO.
"""
