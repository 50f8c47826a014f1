"""Studies of many runs: audit, power, sweep, leaderboard."""
