"""Explanations of recommendations: the contribution of each item of the user's history, and evidence from the data."""
