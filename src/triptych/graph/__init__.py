"""Â and its products: the one home of propagation."""
