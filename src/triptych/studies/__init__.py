"""Studies of fitted models: comparing, tuning, blending, evaluation for new users, and reports."""
