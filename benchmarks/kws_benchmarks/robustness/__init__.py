"""What a model gets right of words and scenes, clean and under everything that a room does to them."""
