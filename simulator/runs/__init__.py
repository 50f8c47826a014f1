"""Run folders: files, checkpoints, locks, and reading them."""
