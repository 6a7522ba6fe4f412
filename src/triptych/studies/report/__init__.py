"""A report: a comparison as one HTML page with plots, tables and example users."""
