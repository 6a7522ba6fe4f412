"""Several models on one data set, side by side."""
