"""What happens and what it means: rollout, experiment, environments, statistics, report."""
