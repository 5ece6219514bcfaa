"""Modules with the paths that Beanie's have."""
