"""Offline evaluation on a fixed log: rank each user's left-out click among videos new to the user."""
