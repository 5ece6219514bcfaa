"""Binding documents to databases."""
