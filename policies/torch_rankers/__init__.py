"""Shared parts of torch rankers: layers, samples, losses, training."""
