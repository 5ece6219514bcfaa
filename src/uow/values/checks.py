"""`check_value`: the check of any column type."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

from uow.types import Array, ColumnType, Composite, DocumentValue, Json, LinkValue, RangeType
from uow.values.composites import composite_fields, composite_reader
from uow.values.documents import DOCUMENT_RULES
from uow.values.json.check import JsonChecker
from uow.values.json.problems import at
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
    if isinstance(type_, LinkValue):
        return cast("Checker", type_.field.check)  # not kept: it knows classes
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
    depth = _depth(type_)

    def check(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise wrong_kind("list", value)
        items: list[Any] = []
        for index, item in enumerate(cast("list[Any]", value)):
            try:
                items.append(None if item is None else check_item(item))
            except ValueError as exc:
                raise at(f"[{index}]", exc) from None
        if depth > 1:
            _check_rectangle(items, depth - 1)
        return items

    return check


def _depth(type_: ColumnType) -> int:
    return 1 + _depth(type_.item) if isinstance(type_, Array) else 0


def _check_rectangle(rows: list[Any], depth: int) -> None:
    """Refuse what SQL has no array of arrays for.

    Raises:
        ValueError: arrays in it differ in length, or are missing or empty.
    """
    if None in rows or len({_shape(row, depth) for row in rows}) > 1:
        raise ValueError("expected arrays of the same length in an array of arrays")
    if [] in rows:
        raise ValueError("an empty array in an array, which SQL does not tell from no array")


def _shape(items: list[Any], depth: int) -> tuple[int, ...]:
    """The lengths of an array of arrays, which is known to be a rectangle."""
    return (len(items), *(_shape(items[0], depth - 1) if depth > 1 and items else ()))


def _composite(type_: Composite) -> Checker:
    class_ = type_.class_
    fields = composite_fields(class_)
    checks = [checker_for(field.type) for field in fields]
    read = composite_reader(class_)

    def check(value: Any) -> Any:
        if not isinstance(value, class_):
            raise wrong_kind(class_.__name__, value)
        given = read(value)
        kept: dict[str, Any] = {}
        for field, check_field, item in zip(fields, checks, given, strict=True):
            try:
                kept[field.argument] = None if item is None else check_field(item)
            except ValueError as exc:
                raise at(f".{field.name}", exc) from None
        is_same = all(one is other for one, other in zip(given, kept.values(), strict=True))
        return value if is_same else class_(**kept)

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
    return JsonChecker(type_.annotation, type_.max_depth)


def _document(type_: DocumentValue) -> Checker:
    return JsonChecker(type_.annotation, type_.max_depth, rules=DOCUMENT_RULES)


_MAKERS: Final[dict[type[ColumnType], Callable[[Any], Checker]]] = {
    **SCALAR_CHECKS,
    Array: _array,
    Composite: _composite,
    DocumentValue: _document,
    Json: _json,
    RangeType: _range,
}
