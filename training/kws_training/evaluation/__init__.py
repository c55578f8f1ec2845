"""Test sets, scoring and metrics."""
