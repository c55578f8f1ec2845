"""The training loop: resumable epochs, the run's folder, its manifest, warm starts."""
