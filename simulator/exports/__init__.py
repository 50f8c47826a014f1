"""A run's views and totals, written in the files that other tools read."""
