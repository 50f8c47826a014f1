"""Fits the kernel's shared parameters to simulated views by maximum likelihood, to see whether they come back.

Modules: `views` what is known of each view; `watch_likelihood` the watch thresholds of watch time; `action_likelihood`
the actions; `newton` the search and its standard errors; `result` estimates beside the truth.
"""
