"""Helpers of all benchmarks: cached builds, other programs, files of the checkout."""
