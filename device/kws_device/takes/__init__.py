"""Takes: recordings of a few seconds in which somebody says one word."""
