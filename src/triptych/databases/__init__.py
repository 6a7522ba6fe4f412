"""Databases: addresses of SQLite and PostgreSQL, connections to them, and what can go wrong there."""
