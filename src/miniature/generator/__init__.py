"""The miniature generator: a text-to-image model whose own text encoder can write what is to be drawn."""
