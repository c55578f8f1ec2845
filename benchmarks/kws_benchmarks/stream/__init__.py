"""Words at known times in long continuous speech and noise: what is heard, missed, and heard for nothing."""
