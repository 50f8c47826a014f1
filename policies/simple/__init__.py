"""Random, popular and oracle policies."""
