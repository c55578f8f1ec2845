"""The training loop: epochs that can be interrupted, the folder of a run, its manifest, starting weights."""
