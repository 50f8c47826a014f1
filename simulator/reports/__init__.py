"""JSON documents: one module per kind, with nothing but its fields and how it is read."""
