"""From a trained run to the files that a device runs, and the proof that they say the same."""
