"""What an aggregate or a ranking is computed over: `OVER (...)`, and the kinds of functions."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, TypeAlias, cast, final

from uow.errors import QueryError

__all__ = [
    "AGGREGATES",
    "SCALARS",
    "WINDOW_FUNCTIONS",
    "Bounds",
    "Frame",
    "FrameKind",
    "Window",
    "frame_of",
]

AGGREGATES: Final = frozenset({"count", "sum", "avg", "min", "max"})
"""Functions of `func` that make one value of many rows."""

WINDOW_FUNCTIONS: Final = frozenset(
    {
        "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile",
        "lag", "lead", "first_value", "last_value", "nth_value",
    }
)  # fmt: skip
"""Functions of `func` that have no meaning without a window."""

SCALARS: Final = frozenset(
    {
        "lower", "upper", "trim", "length", "replace", "substr", "abs", "round", "ceil", "floor",
        "coalesce", "nullif", "greatest", "least", "now", "current_date",
    }
)  # fmt: skip
"""Functions of `func` that look at one row."""

Bounds: TypeAlias = tuple[int | None, int | None]
"""Where a frame begins and ends: rows before (negative), the current one (0), or after it; None
is the end of the partition."""

_MOST: Final = 2**31 - 1


class FrameKind(Enum):
    """How the bounds of a frame are counted."""

    ROWS = "ROWS"
    RANGE = "RANGE"
    GROUPS = "GROUPS"


@final
class Frame:
    """Which rows around the current one belong to it.

    Attributes:
        kind: how the bounds are counted: rows, values of the order, or groups of equal rows.
        start: the first one; negative before the current one, None for the partition's first.
        end: the last one; None for the partition's last.
    """

    __slots__ = ("end", "kind", "start")

    def __init__(self, kind: FrameKind, start: int | None, end: int | None) -> None:
        self.kind = kind
        self.start = start
        self.end = end

    def __repr__(self) -> str:
        return f"Frame({self.kind.value}, {self.start}, {self.end})"


@final
class Window:
    """`OVER (PARTITION BY .. ORDER BY .. frame)`.

    Attributes:
        partition_by: expressions; rows in which they are equal are looked at together.
        order_by: terms (`OrderTerm`).
        frame: None for the store's default, which SQL has made one and the same.
    """

    __slots__ = ("frame", "order_by", "partition_by")

    def __init__(
        self,
        partition_by: tuple[Any, ...] = (),
        order_by: tuple[Any, ...] = (),
        frame: Frame | None = None,
    ) -> None:
        self.partition_by = partition_by
        self.order_by = order_by
        self.frame = frame

    def __repr__(self) -> str:
        return f"Window({self.partition_by!r}, {self.order_by!r}, {self.frame!r})"


def frame_of(rows: object, range_: object, groups: object, *, is_ordered: bool) -> Frame | None:
    """Make the frame of `over(rows=..., range_=..., groups=...)`, of which one may be given.

    Raises:
        QueryError: more than one is given, or the bounds are none.
    """
    given = [
        (kind, bounds)
        for kind, bounds in (
            (FrameKind.ROWS, rows),
            (FrameKind.RANGE, range_),
            (FrameKind.GROUPS, groups),
        )
        if bounds is not None
    ]
    if not given:
        return None
    if len(given) > 1:
        raise QueryError("over: rows, range_ and groups exclude each other")
    kind, bounds = given[0]
    start, end = _checked(bounds)
    if kind is not FrameKind.ROWS and not is_ordered and (start or end):
        raise QueryError("over: range_ and groups count in the order, so order_by is needed")
    return Frame(kind, start, end)


def _checked(bounds: object) -> Bounds:
    pair = cast("tuple[object, ...]", bounds) if isinstance(bounds, tuple) else ()
    if len(pair) != 2 or not all(bound is None or type(bound) is int for bound in pair):
        raise QueryError("over: a frame is a pair of whole numbers, or None for no bound")
    start, end = cast("Bounds", pair)
    if any(bound is not None and abs(bound) > _MOST for bound in (start, end)):
        raise QueryError(f"over: a bound of a frame is at most {_MOST}")
    if start is not None and end is not None and start > end:
        raise QueryError("over: a frame ends before it begins")
    return start, end
