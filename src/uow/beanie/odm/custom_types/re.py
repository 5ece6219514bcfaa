"""Patterns, which documents read and write as Python's own."""

from re import Pattern

__all__ = ["Pattern"]
