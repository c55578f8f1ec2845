"""Pure functions over sound and spectrograms, independent of recipes."""
