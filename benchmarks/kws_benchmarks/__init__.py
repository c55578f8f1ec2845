"""What a model is worth, measured through the device's own front end, rings, engine and decoder."""
