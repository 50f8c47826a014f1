"""How often each method errs where the truth is known."""
