"""The commands kws-train and kws-data."""
