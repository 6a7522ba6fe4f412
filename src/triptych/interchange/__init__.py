"""Data sets to and from other libraries' own forms. Each is imported only where it is used."""
