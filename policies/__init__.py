"""What is shown: the policy contract and every ranker."""
