"""Rankers on a fixed log: leave one click out, and find it again among videos that its user never met."""
