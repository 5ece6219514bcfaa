"""Values that stand in a row for a while, so that another row can take the one that was there.

A parked value must be one that no row has. Most types have so many values that one drawn at random
is such a value; of those with fewer, the store is asked which are free before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count, islice
from secrets import choice, randbelow, token_bytes
from string import ascii_lowercase, digits
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from uow.session.late import Parked
from uow.session.predicates import Unreadable, mentions, read_predicate
from uow.session.uniques import Read, unique_sets
from uow.tracking.state import MISSING, Raw
from uow.types import Binary, ColumnType, Date, DateTime, Float, Integer, Numeric, Text, Time, Uuid

if TYPE_CHECKING:
    from uow.mapping.mapper import MappedColumn

__all__ = ["can_be_null", "free_values", "park"]

PLENTY: Final = 10**15
"""Of so many values one drawn at random is nobody's."""

TRIES: Final = 300
"""How many values are tried against the checks of a table."""


def park(column: MappedColumn, read: Read) -> Parked | None:
    """Give a value nobody has for a column of a row; None if there is no room for one.

    Args:
        column: the column.
        read: what reads the row as it is.
    """
    if not _can_vary(column) or column.foreign_key is not None or _is_referred_to(column):
        return None
    fits = _checks(column, read)
    if fits is None:
        return None
    tried = [value for value in islice(_drawn(column.type), TRIES) if fits(value)]
    if not tried:
        return None
    is_known = _count(column.type) >= PLENTY and _is_drawn_widely(tried[0])
    return Parked(column, fits, tried[0] if is_known else MISSING)


def free_values(
    parked: Collection[Parked], used: Collection[Any]
) -> Iterator[tuple[list[Any], list[Parked]]]:
    """Choose values for what is parked in one column, a few rounds of them.

    Args:
        parked: what waits for a value; those that have none after a round get others in the next.
        used: values that rows of the flush have or will have.

    Yields:
        Values to ask the store for, and what they are meant for, in the same order. Who asks
        sets `Parked.value` where the value is free.
    """
    spent = set(used)
    for _ in range(8):
        waiting = [one for one in parked if one.value is MISSING]
        if not waiting:
            return
        values: list[Any] = []
        for one in waiting:
            drawn = (v for v in islice(_drawn(one.column.type), 10 * TRIES) if v not in spent)
            value = next(filter(one.fits, drawn), MISSING)
            if value is MISSING:
                return
            spent.add(value)
            values.append(value)
        yield values, waiting


def can_be_null(column: MappedColumn, read: Read) -> bool:
    """Whether a row may hold NULL in a column for a while.

    Args:
        column: the column.
        read: what reads the row as it is.
    """
    if not column.nullable or not _can_vary(column):
        return False
    mapper = column.mapper
    if any(one.nulls_meet and column in one.columns for one in unique_sets(mapper)):
        return False
    for check in mapper.checks:
        if column not in mentions(check.sql, mapper):
            continue
        predicate = read_predicate(check.sql, mapper)
        if predicate is None:
            if _speaks_of_null(check.sql):
                return False
            continue  # a comparison with NULL is no violation
        try:
            if predicate.holds(lambda c: None if c is column else _known(read, c)) is False:
                return False
        except Unreadable:
            return False
    return True


def _can_vary(column: MappedColumn) -> bool:
    """Whether a value in between means nothing but a value."""
    if column.primary_key or column.version or column.generated is not None:
        return False
    # Where it decides which rows an index is about, a row may come to be among these.
    return not any(
        column in one.looked_at and column not in one.columns for one in unique_sets(column.mapper)
    )


def _is_referred_to(column: MappedColumn) -> bool:
    """Whether rows elsewhere may refer to the value, and would not follow it."""
    return any(
        key.on_update != "CASCADE" and column in key.target_columns
        for mapper in column.mapper.registry.mappers()
        for key in mapper.foreign_keys
    )


def _checks(column: MappedColumn, read: Read) -> Callable[[Any], bool] | None:
    """What says whether a value passes the checks; None if that cannot be told."""
    mapper = column.mapper
    found = [one.sql for one in mapper.checks if column in mentions(one.sql, mapper)]
    predicates = [read_predicate(sql, mapper) for sql in found]
    if mapper.exclusions and any(column in one.columns for one in mapper.exclusions):
        return None

    def fits(value: Any) -> bool:
        try:
            return all(
                one is not None
                and one.holds(lambda c: value if c is column else _known(read, c)) is not False
                for one in predicates
            )
        except Unreadable:
            return False

    return None if None in predicates else fits


def _known(read: Read, column: MappedColumn) -> Any:
    value = read(column)
    if value is MISSING or type(value) is Raw:
        raise Unreadable
    return value


def _speaks_of_null(sql: str) -> bool:
    text = sql.upper()
    return any(word in text for word in ("NULL", "COALESCE", "NVL", "DISTINCT"))


# -- values of a type

FIRST_DAY: Final = date(1000, 1, 1)
DAYS: Final = (date(9999, 12, 30) - FIRST_DAY).days
DAY: Final = 24 * 60 * 60 * 10**6
"""Microseconds. Not every store has the years before 1000."""
LETTERS: Final = ascii_lowercase + digits
LENGTH: Final = 24
EXACT: Final = 2**53
"""Up to here every whole number is a float."""


def _count(type_: ColumnType) -> int:
    """How many values of a type are drawn from."""
    match type_:
        case Uuid():
            return 2**122
        case Text(max_length=length):
            return int(len(LETTERS) ** min(length or LENGTH, LENGTH))
        case Binary(max_length=length):
            return int(256 ** min(length or LENGTH, LENGTH))
        case Integer():
            return int(type_.most - type_.least + 1)
        case Numeric():
            return int(10 ** _digits(type_))
        case Float():
            return EXACT
        case DateTime():
            return DAYS * DAY
        case Date():
            return DAYS
        case Time():
            return DAY
        case _:
            return 0


def _digits(type_: Numeric) -> int:
    return min(type_.precision or 18, 18)


def _drawn(type_: ColumnType) -> Iterator[Any]:
    """Draw values of a type; numbers of either sign, and from 0 on those that checks allow."""
    if not _count(type_):
        return
    for small in count():
        match type_:
            case Uuid():
                yield uuid4()
            case Text(max_length=length):
                yield "".join([choice(LETTERS) for _ in range(min(length or LENGTH, LENGTH))])
            case Binary(max_length=length):
                yield token_bytes(min(length or LENGTH, LENGTH))
            case Integer(least=least, most=most):
                if least:
                    yield -1 - randbelow(-least)
                yield randbelow(most + 1)
                yield small
            case Numeric(scale=scale):
                unit = Decimal(1).scaleb(-(scale or 0))
                size = 10 ** _digits(type_)
                yield -unit * (1 + randbelow(size - 1))
                yield unit * randbelow(size)
            case Float():
                yield -float(1 + randbelow(EXACT))
                yield float(randbelow(EXACT))
            case DateTime(timezone=is_aware):
                start = datetime.combine(FIRST_DAY, time(), UTC if is_aware else None)
                yield start + timedelta(randbelow(DAYS), 0, randbelow(DAY))
            case Date():
                yield FIRST_DAY + timedelta(randbelow(DAYS))
            case _:
                yield (datetime.combine(FIRST_DAY, time()) + timedelta(0, 0, randbelow(DAY))).time()


def _is_drawn_widely(value: Any) -> bool:
    """Whether a value is none of the few small numbers."""
    if isinstance(value, int | float):
        return abs(value) >= 1000
    return not isinstance(value, Decimal) or abs(value) >= 1000
