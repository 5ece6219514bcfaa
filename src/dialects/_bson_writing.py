"""From Python to what BSON holds: builtin containers, copied, and scalars as a client takes them.

What is written is a copy: it becomes the stored form that later changes are told from, and nobody
may change it any more.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import ipaddress as ip
import pathlib
import re
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal, DecimalException
from typing import Any, Final
from uuid import UUID

import attrs
from bson.dbref import DBRef
from bson.decimal128 import Decimal128

from uow.mapping.link import Link
from uow.mapping.nested_hints import stored_names
from uow.values import at, is_document_key, key_text

__all__ = [
    "BsonWriter",
    "day_to_instant",
    "seconds_of",
    "to_decimal128",
    "write",
]

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_DEEPEST: Final = 100
"""What the server takes ("MongoDB Limits", Nested Depth for BSON Documents)."""


def to_decimal128(value: Decimal) -> Decimal128:
    """Keep a decimal exactly.

    Raises:
        ValueError: it has more digits, or a greater exponent, than a store's decimal.
    """
    try:
        return Decimal128(value)
    except DecimalException:
        raise ValueError(
            "a Decimal that does not fit into 34 digits and an exponent of 6,144"
        ) from None


def day_to_instant(value: dt.date) -> dt.datetime:
    """Keep a day as its midnight in UTC: BSON has no days."""
    return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)


def seconds_of(value: dt.timedelta) -> float:
    """Keep a span of time as a number of seconds.

    Raises:
        ValueError: it is so long that microseconds would be lost.
    """
    seconds = value.total_seconds()
    if dt.timedelta(seconds=seconds) != value:
        raise ValueError("a timedelta of more than 285 years, which loses its microseconds")
    return seconds


Write = Callable[[Any, int], Any]

# Past what subclasses do when they are read: values are only looked at.
_each: Callable[[Any], Any] = vars(list)["__iter__"]
_items: Callable[[Any], Any] = vars(dict)["items"]


_class_of: Callable[[Any], Any] = type


class BsonWriter:
    """Writes values of any class, by what they are and not by what a hint says.

    Args:
        encoders: what turns values of further classes into such that can be written; for a class
            itself first, and then for its subclasses.
    """

    __slots__ = ("_by_class", "_encoders", "_plain")

    def __init__(self, encoders: Mapping[type, Callable[[Any], Any]] | None = None) -> None:
        self._encoders = dict(encoders or {})
        self._by_class: dict[type, Write] = {}
        own = tuple(self._encoders)
        self._plain = frozenset([one for one in _PLAIN if not issubclass(one, own)])

    def __call__(self, value: Any) -> Any:
        """Write a value, as a copy.

        Raises:
            ValueError: BSON cannot hold it. The text does not show it.
        """
        return self._write(value, 0)

    def _write(self, value: Any, depth: int) -> Any:
        class_ = _class_of(value)
        writer = self._by_class.get(class_)
        if writer is None:
            writer = self._by_class[class_] = self._find(class_)
        return writer(value, depth)

    def _find(self, class_: type[Any]) -> Write:
        own = self._encoders.get(class_)
        if own is None:
            own = next((e for base, e in self._encoders.items() if issubclass(class_, base)), None)
        if own is not None:
            encode = own
            return lambda value, depth: self._encoded(encode, value, depth)
        if issubclass(class_, enum.Enum):
            return lambda value, depth: self._write(value.value, depth)
        for base, scalar in _SCALARS.items():
            if issubclass(class_, base):
                return scalar
        if issubclass(class_, Mapping):
            return self._mapping
        if issubclass(class_, (list, tuple, deque)):
            return self._items
        if issubclass(class_, (set, frozenset)):
            return self._set
        if issubclass(class_, Link):
            return self._link
        if getattr(class_, "_uow_mapper", None) is not None:
            return self._reference
        if class_.__module__.startswith("bson."):
            return _same
        if attrs.has(class_) or dataclasses.is_dataclass(class_):
            return self._object(stored_names(class_))
        if hasattr(class_, "model_fields"):
            return self._model(class_)
        if class_.__module__.startswith(("pydantic.", "pydantic_core.")):  # secrets, addresses
            if hasattr(class_, "get_secret_value"):
                return lambda value, depth: self._write(value.get_secret_value(), depth)
            return lambda value, _: str(value)
        return _refuse

    def _encoded(self, encode: Callable[[Any], Any], value: Any, depth: int) -> Any:
        made = encode(value)
        if type(made) is type(value):
            plain = BsonWriter()
            return plain._write(made, depth)
        return self._write(made, depth)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        _check_depth(depth)
        made: dict[str, Any] = {}
        read: Any = _items if isinstance(value, dict) else type(value).items
        items: Any = read(value)
        for key, item in items:
            name = key if type(key) is str else key_text(key)
            if not is_document_key(name) or "\0" in name:
                raise ValueError("a key that is empty, or holds a dot, a NUL or a leading dollar")
            if type(item) in self._plain:
                made[name] = item
                continue
            try:
                made[name] = self._write(item, depth + 1)
            except ValueError as exc:
                raise at(f".{name}", exc) from None
        return made

    def _items(self, value: Any, depth: int) -> list[Any]:
        _check_depth(depth)
        items: Any = _each(value) if isinstance(value, list) else value
        made: list[Any] = []
        for item in items:
            if type(item) in self._plain:
                made.append(item)
                continue
            try:
                made.append(self._write(item, depth + 1))
            except ValueError as exc:
                raise at(f"[{len(made)}]", exc) from None
        return made

    def _set(self, value: Any, depth: int) -> list[Any]:
        # In a fixed order, so that equal sets are stored alike.
        return sorted(self._items(value, depth), key=lambda item: (type(item).__name__, item))

    def _link(self, value: Any, depth: int) -> DBRef:
        return DBRef(value.collection, self._write(value.id, depth), value.database)

    def _reference(self, value: Any, depth: int) -> DBRef:
        """Write a document that another one links to."""
        mapper = value._uow_mapper
        try:
            key = mapper.key[0].get_slot(value)
        except AttributeError:
            key = None
        if key is None:
            raise ValueError(f"a {mapper.name} that is not stored; add it to the session")
        return DBRef(mapper.table_name, self._write(key, depth))

    def _object(self, names: Mapping[str, str]) -> Write:
        pairs = tuple(names.items())

        def write_object(value: Any, depth: int) -> dict[str, Any]:
            _check_depth(depth)
            made: dict[str, Any] = {}
            for own, name in pairs:
                try:
                    made[name] = self._write(getattr(value, own), depth + 1)
                except ValueError as exc:
                    raise at(f".{own}", exc) from None
            return made

        return write_object

    def _model(self, class_: Any) -> Write:
        excluded = {name for name, field in class_.model_fields.items() if field.exclude}
        names = {own: name for own, name in stored_names(class_).items() if own not in excluded}
        write_fields = self._object(names)

        def write_model(value: Any, depth: int) -> dict[str, Any]:
            made: dict[str, Any] = write_fields(value, depth)
            extra: Mapping[str, Any] | None = getattr(value, "model_extra", None)
            if extra:
                made.update(self._mapping(extra, depth))
            return made

        return write_model


def _check_depth(depth: int) -> None:
    if depth >= _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} levels, or it holds itself")


def _refuse(value: Any, _: int) -> Any:
    raise ValueError(f"a {type(value).__name__} cannot be stored in a document")


def _same(value: Any, _: int) -> Any:
    return value


def _integer(value: int, _: int) -> int:
    if not _LEAST <= value <= _MOST:
        raise ValueError("an int of more than 64 bits")
    return int(value)


def _datetime(value: dt.datetime, _: int) -> dt.datetime:
    rest = value.microsecond % 1000
    return value if not rest else value.replace(microsecond=value.microsecond - rest)


_PLAIN: Final[frozenset[type]] = frozenset({str, bool, float, type(None)})

_SCALARS: Final[Mapping[type, Write]] = {
    type(None): _same,
    bool: _same,
    int: _integer,
    float: lambda value, _: float(value),
    str: lambda value, _: str.__str__(value),
    bytes: lambda value, _: bytes(value),
    bytearray: lambda value, _: bytes(value),
    dt.datetime: _datetime,
    dt.date: lambda value, _: day_to_instant(value),
    dt.time: lambda value, _: value.isoformat("microseconds"),
    dt.timedelta: lambda value, _: seconds_of(value),
    Decimal: lambda value, _: to_decimal128(value),
    UUID: _same,
    re.Pattern: _same,
    ip.IPv4Address: lambda value, _: str(value),
    ip.IPv4Interface: lambda value, _: str(value),
    ip.IPv4Network: lambda value, _: str(value),
    ip.IPv6Address: lambda value, _: str(value),
    ip.IPv6Interface: lambda value, _: str(value),
    ip.IPv6Network: lambda value, _: str(value),
    pathlib.PurePath: lambda value, _: str(value),
}

write: Final = BsonWriter()
"""The writer of classes that bring no encoders of their own."""
