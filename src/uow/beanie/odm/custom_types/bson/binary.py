"""Bytes."""

from typing import TypeAlias

__all__ = ["BsonBinary"]

BsonBinary: TypeAlias = bytes
"""Bytes, which the store gives as they are."""
