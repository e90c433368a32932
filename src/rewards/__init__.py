"""From a sample and its edit to a verdict; the same for evaluation and training."""
