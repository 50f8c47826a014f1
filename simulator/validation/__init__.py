"""Whether a world is to be believed: its simulated users set beside real rows and published figures."""
