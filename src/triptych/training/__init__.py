"""Batches, the training loop, checkpoints; a model's name -> a fitted recommender."""
