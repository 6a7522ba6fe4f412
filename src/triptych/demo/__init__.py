"""A shop whose customers' tastes are known, and the main job done on it."""
