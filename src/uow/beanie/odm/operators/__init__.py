"""Operators of filters and updates, in the modules that Beanie has them in."""
