"""Drivers: statements in, rows out. One client library a file; all I/O lives here."""
