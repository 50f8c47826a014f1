"""Sequential rankers."""
