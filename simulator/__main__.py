"""`python -m simulator` is `askew`, for whoever starts it with an interpreter of their own choice."""

from simulator.cli.app import main

main()
