"""The vision-language model: question in, reply out, here or behind a server. Neither scores nor statistics."""
