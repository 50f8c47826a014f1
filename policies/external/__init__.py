"""Rankers that are not Python classes: a graph of numbers in ONNX, and a server that is asked over HTTP."""
