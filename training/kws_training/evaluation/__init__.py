"""Test sets, what a model gets right of them, and the figures of it."""
