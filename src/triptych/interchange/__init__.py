"""Conversion of data sets to and from other libraries. A library is imported only when it is used."""
