"""Two towers: the base ranker, and the ranker with a satisfaction head."""
