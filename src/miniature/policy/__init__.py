"""The miniature policy: architecture, training, measurement. Reinforcement learning is `src/training`'s."""
