"""Wrappers that make a ranker explore with known chances."""
