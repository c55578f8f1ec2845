"""One's own words by one command: from a few recordings, or from none, to a model file and its report."""
