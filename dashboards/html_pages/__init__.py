"""Pages that stand alone, as HTML."""
