"""`$bitsAllClear`, `$bitsAllSet`, `$bitsAnyClear`, `$bitsAnySet`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeAlias

from uow.beanie.odm.operators.find.base import BaseFindOperator, Field, tested

__all__ = ["BitsAllClear", "BitsAllSet", "BitsAnyClear", "BitsAnySet"]

Bits: TypeAlias = int | bytes | Sequence[int]
"""A mask, or the positions of bits, from the least significant one (0) on."""


class _Bits(BaseFindOperator):
    """Base of tests of the bits of a whole number, or of bytes."""

    __slots__ = ()

    operator: ClassVar[str]

    def __init__(self, field: Field, bitmask: Bits) -> None:
        super().__init__(tested(field, self.operator, bitmask))


class BitsAllClear(_Bits):
    """All of the bits are 0."""

    __slots__ = ()
    operator = "$bitsAllClear"


class BitsAllSet(_Bits):
    """All of the bits are 1."""

    __slots__ = ()
    operator = "$bitsAllSet"


class BitsAnyClear(_Bits):
    """One of the bits is 0."""

    __slots__ = ()
    operator = "$bitsAnyClear"


class BitsAnySet(_Bits):
    """One of the bits is 1."""

    __slots__ = ()
    operator = "$bitsAnySet"
