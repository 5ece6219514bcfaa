"""`check_value`: the check of any column type."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

from uow.types import Array, ColumnType, Json, RangeType
from uow.values.json import json_checker
from uow.values.ranges import Range, canonical_range
from uow.values.scalars import SCALAR_CHECKS, Checker, wrong_kind

__all__ = ["check_value", "checker_for"]


def check_value(type_: ColumnType, value: object) -> Any:
    """Check a value that is not None.

    Returns:
        The value as it is to be kept: an int for a float column becomes a float, and so on.

    Raises:
        ValueError: it does not fit.
    """
    return checker_for(type_)(value)


def checker_for(type_: ColumnType) -> Checker:
    """The check of a column type, made once."""
    try:
        return _cached_checker(type_)
    except TypeError:  # an annotation that cannot be hashed
        return _make_checker(type_)


@lru_cache(maxsize=4096)
def _cached_checker(type_: ColumnType) -> Checker:
    return _make_checker(type_)


def _make_checker(type_: ColumnType) -> Checker:
    return _MAKERS[type(type_)](type_)


def _array(type_: Array) -> Checker:
    check_item = checker_for(type_.item)

    def check(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise wrong_kind("list", value)
        items: list[Any] = []
        for index, item in enumerate(cast("list[Any]", value)):
            try:
                items.append(None if item is None else check_item(item))
            except ValueError as exc:
                raise ValueError(f"at [{index}]: {exc}") from None
        return items

    return check


def _range(type_: RangeType) -> Checker:
    check_bound = checker_for(type_.item)

    def check(value: Any) -> Range[Any]:
        if not isinstance(value, Range):
            raise wrong_kind("Range", value)
        bounds = cast("Range[object]", value)
        lower = None if bounds.lower is None else check_bound(bounds.lower)
        upper = None if bounds.upper is None else check_bound(bounds.upper)
        try:
            kept = canonical_range(Range(lower, upper, bounds.bounds), type_.item)
            for bound in (kept.lower, kept.upper):
                if bound is not None:
                    check_bound(bound)
        except (OverflowError, ValueError):
            raise ValueError(
                "expected a range that has a next value after an upper bound that is in it"
            ) from None
        return kept

    return check


def _json(type_: Json) -> Checker:
    return json_checker(type_.annotation)


_MAKERS: Final[dict[type[ColumnType], Callable[[Any], Checker]]] = {
    **SCALAR_CHECKS,
    Array: _array,
    Json: _json,
    RangeType: _range,
}
