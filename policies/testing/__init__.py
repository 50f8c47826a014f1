"""Conformance of a policy to the contract, and made-up logs to try it on."""

from policies.testing.conformance import check_policy as check_policy
