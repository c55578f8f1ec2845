"""The kit's own scheme: waveforms mixed at a true signal-to-noise ratio, one residual network, two heads."""
