"""Off-policy evaluation: what a policy would be worth, from another policy's log, beside the truth."""
