"""INF: implicit negative feedback."""
