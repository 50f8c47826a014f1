"""Numbers, verdicts and sentences."""
