"""The model file: its manifest, its containers, the checks before it runs, and the engines that run it."""
