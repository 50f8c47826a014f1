"""Estimators: moments, comparisons, sequential bounds, quantiles, bounds."""
