"""Benchmarks of models, run through the device's own front end, ring buffers, engine and decoder."""
