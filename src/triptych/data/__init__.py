"""What is known: ids, interactions, features, splits. numpy and polars, no torch."""
