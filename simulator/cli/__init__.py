"""The command line."""

from simulator.cli.app import main as main
