"""What is done to sound and to spectrograms: pure functions over arrays, which know no recipe."""
