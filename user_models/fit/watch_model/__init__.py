"""The fitted model of watch time."""
