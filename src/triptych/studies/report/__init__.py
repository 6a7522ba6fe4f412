"""A comparison as one page that a person would rather look at than read."""
