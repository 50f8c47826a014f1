"""Calibration of a fitted world under its logging policies."""
