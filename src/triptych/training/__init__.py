"""Batches, the loop, checkpoints; name -> fitted recommender."""
