"""A generated shop whose customers have known tastes, and a run of all steps on it."""
