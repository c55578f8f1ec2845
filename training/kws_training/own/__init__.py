"""kws-train own: a model of one's own words by one command."""
