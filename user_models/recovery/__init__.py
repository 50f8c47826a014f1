"""Fits the kernel's shared parameters to simulated views by maximum likelihood, to see whether they come back.

Modules: `views` what is known of each view; `climb` the ladder of watch time; `acts` the actions; `newton` the search
and its standard errors; `outcome` estimates beside the truth.
"""
