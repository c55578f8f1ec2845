"""Datasets: fetched, recognised, checked, and read into memory."""
