"""What an experiment is asked to be, read from TOML."""
