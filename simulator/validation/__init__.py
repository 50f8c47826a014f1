"""Validation of a world: its simulated users compared with real rows and published figures."""
