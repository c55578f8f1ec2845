"""Accuracy of words and scenes, on clean sound and under many kinds of changes."""
