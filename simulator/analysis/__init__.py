"""From user-days to the report of a run."""
