"""Mining: finds sound that a model takes for its words although nobody says them."""
