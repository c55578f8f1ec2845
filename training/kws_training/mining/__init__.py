"""Hours of sound heard with a model, to find what it takes for its words though nobody says them."""
