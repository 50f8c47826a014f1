"""Linear bandits."""
