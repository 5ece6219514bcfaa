"""Decimals, which the store keeps with 34 digits."""

from decimal import Decimal
from typing import TypeAlias

__all__ = ["DecimalAnnotation"]

DecimalAnnotation: TypeAlias = Decimal
"""A decimal: documents read and write those by themselves."""
