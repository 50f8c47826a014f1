"""EASQ, EMER and EMER_S."""
