"""The data: ids, interactions, features, splits. numpy and polars, no torch."""
