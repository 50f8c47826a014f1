"""Matching expected outcomes to the log's rates."""
