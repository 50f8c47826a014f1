"""Runs on disk: finding, starting, importing, exporting."""
