"""Distributions that new users and videos are drawn from."""
