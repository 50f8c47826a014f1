"""Log rows, features and batches of the fit."""
