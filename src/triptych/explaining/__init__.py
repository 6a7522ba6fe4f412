"""Why an item is recommended: which of the user's items led there, by how much, through what; what can be checked."""
