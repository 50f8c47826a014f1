"""Formulations of watch time side by side: one encoder, several distribution heads, scored on rows of later days."""
