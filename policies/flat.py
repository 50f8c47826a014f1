"""The documented address of `policies.agents.flat_observation`."""

from policies.agents.flat_observation import Numbers, names_of, numbers_of

__all__ = ["Numbers", "names_of", "numbers_of"]
