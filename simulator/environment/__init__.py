"""Gymnasium environments, their wrappers, and datasets of transitions."""
