"""Hours of sound as fast as they go: a spotter stays the same, whatever happens to its source."""
