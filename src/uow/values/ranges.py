"""`Range`: the values between two bounds."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar, cast

import attrs

__all__ = ["Range"]

T = TypeVar("T")


@attrs.frozen
class Range(Generic[T]):
    """The values from `lower` to `upper`; None is no bound on that side.

    `bounds` says for either side whether the bound belongs to the range: `"[)"`, the usual one,
    takes in the lower bound and leaves out the upper one.

    >>> 3 in Range(1, 3), 3 in Range(1, 3, "[]")
    (False, True)
    """

    lower: T | None = None
    upper: T | None = None
    bounds: Literal["[)", "[]", "(]", "()"] = attrs.field(
        default="[)", validator=attrs.validators.in_(("[)", "[]", "(]", "()"))
    )

    def __attrs_post_init__(self) -> None:
        if self.lower is not None and self.upper is not None:
            lower, upper = cast("Any", self.lower), cast("Any", self.upper)
            if lower > upper:
                raise ValueError("the lower bound of a range lies above its upper bound")

    def __contains__(self, value: T) -> bool:
        other = cast("Any", value)
        if self.lower is not None and (
            other < self.lower or (other == self.lower and self.bounds[0] == "(")
        ):
            return False
        return self.upper is None or not (
            other > self.upper or (other == self.upper and self.bounds[1] == ")")
        )
