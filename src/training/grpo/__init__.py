"""What TRL's trainer is given (policy, settings, reward functions), and what joins its processes.

Nothing here knows the prompts of a task.
"""
