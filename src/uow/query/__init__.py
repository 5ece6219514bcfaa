"""Queries: statement trees, the builders that make them, and what runs them."""
