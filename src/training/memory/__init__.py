"""What a training holds on each GPU, by arithmetic, before anything loads."""
