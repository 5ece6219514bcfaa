"""Queries, and what changes what they find."""
