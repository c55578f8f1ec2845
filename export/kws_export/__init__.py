"""Converts a trained run into model files, and compares them with the trained model."""
