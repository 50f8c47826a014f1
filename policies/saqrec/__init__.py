"""SAQRec."""
