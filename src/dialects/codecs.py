"""How single values are kept as text, whole numbers or bytes, shared by the SQL dialects.

Encoders are never given None and never say a value in their errors. Every text form sorts and
compares as the values do, except decimals, which have a collation of their own.
"""

from __future__ import annotations

import enum
import ipaddress as ip
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from functools import partial
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar, cast
from uuid import UUID, SafeUUID

import attrs

from uow.dialects import _json
from uow.dialects.base import Decoder, Encoder
from uow.errors import MappingError
from uow.mapping import json_values
from uow.types import (
    Array,
    Binary,
    Boolean,
    ColumnType,
    Composite,
    Date,
    DateTime,
    EnumType,
    Float,
    Integer,
    Interval,
    IpAddress,
    IpInterface,
    IpNetwork,
    Json,
    Native,
    Numeric,
    RangeType,
    Text,
    Time,
    Uuid,
)
from uow.values import Range, canonical_range, composite_fields, composite_reader, empty_range

__all__ = [
    "EXACT",
    "SHARED_DECODERS",
    "SHARED_ENCODERS",
    "TypeTable",
    "array_from_json",
    "array_to_json",
    "composite_from_json",
    "composite_to_json",
    "decimal_text",
    "decode_instant",
    "decode_interval",
    "decode_uuid",
    "encode_finite_float",
    "encode_float",
    "encode_instant",
    "encode_interval",
    "encode_naive",
    "encode_time",
    "encode_uuid",
    "enum_decoder",
    "enum_encoder",
    "enum_labels",
    "enum_store_type",
    "instant_to_naive_utc",
    "json_decoder",
    "json_encoder",
    "look_up",
    "naive_utc_to_instant",
    "range_from_text",
    "range_to_text",
    "stored_type",
]

V = TypeVar("V")

TypeTable: TypeAlias = Mapping[type[ColumnType], Callable[[Any], V]]
"""What is made of a column type, by its class."""


def look_up(table: TypeTable[V], type_: ColumnType, store: str) -> V:
    """Make what a table says for a type.

    Raises:
        MappingError: the store cannot keep such values.
    """
    make = table.get(type(type_))
    if make is None:
        raise MappingError(f"{store} cannot keep a {type(type_).__name__}")
    return make(type_)


def stored_type(type_: ColumnType, dialect: str) -> ColumnType:
    """Give the type that a dialect of that name keeps values of a type as.

    Raises:
        MappingError: it is another store's own, and the model names nothing in its place.
    """
    match type_:
        case Native(store=str(store), elsewhere=elsewhere) if store != dialect:
            if elsewhere is None:
                raise MappingError(
                    f"{dialect} has no type {type_.name!r}, and Native names no other (elsewhere=)"
                )
            return stored_type(elsewhere, dialect)
        case Array(item=item):
            return attrs.evolve(type_, item=stored_type(item, dialect))
        case _:
            return type_


EXACT = Context(prec=4000, Emax=10000, Emin=-10000, traps=[Inexact, InvalidOperation, Overflow])
"""Decimal arithmetic that raises instead of rounding."""

MAX_DECIMAL_EXPONENT = 1000
_MICROSECOND = timedelta(microseconds=1)
_MAX_MICROSECONDS = 2**63 - 1


# -- decimals


def decimal_text(
    value: Decimal | int, scale: int | None = None, precision: int | None = None
) -> str:
    """Write a decimal without exponent, with exactly `scale` digits after the point.

    Without a scale trailing zeros are dropped, so that equal numbers have equal text.

    Raises:
        ValueError: not finite, or it would have to be rounded, or is longer than `precision`.
    """
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("a decimal that is NaN or infinite cannot be stored")
    if number and abs(number.adjusted()) > MAX_DECIMAL_EXPONENT:
        raise ValueError(f"a decimal over {MAX_DECIMAL_EXPONENT} digits cannot be stored")
    if scale is None:
        number = number.normalize(EXACT)
    else:
        try:
            number = number.quantize(Decimal((0, (1,), -scale)), context=EXACT)
        except DecimalException:
            raise ValueError(f"more than {scale} digits after the point") from None
    if precision is not None and number and number.adjusted() >= precision - (scale or 0):
        raise ValueError(f"more than {precision - (scale or 0)} digits before the point")
    text = format(number, "f")
    return text[1:] if not number and text[0] == "-" else text


# -- numbers


def encode_float(value: Any) -> float:
    """Refuse NaN: the store would keep NULL."""
    number = float(value)
    if math.isnan(number):
        raise ValueError("NaN cannot be stored")
    return number


encode_float.passes = "(v := {0}).__class__ is float and v == v"  # type: ignore[attr-defined]


def encode_finite_float(value: Any) -> float:
    """Refuse NaN and infinity."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("NaN and infinity cannot be stored")
    return number


# -- date and time


def encode_instant(value: datetime) -> str:
    """Write an aware datetime as UTC text of fixed width."""
    return _to_utc(value).isoformat(" ", "microseconds")


def decode_instant(text: str) -> datetime:
    """Read UTC text; text without an offset is UTC too."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def encode_naive(value: datetime) -> str:
    """Write a naive datetime as text of fixed width."""
    if value.tzinfo is not None:
        raise ValueError("expected a datetime without a time zone")
    return value.isoformat(" ", "microseconds")


def instant_to_naive_utc(value: datetime) -> datetime:
    """Give the UTC wall time of an instant, for stores that keep no offset."""
    return _to_utc(value).replace(tzinfo=None)


def naive_utc_to_instant(value: datetime) -> datetime:
    """Say that a wall time read from the store is UTC."""
    return value.replace(tzinfo=UTC)


def _to_utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError("expected a datetime with a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant outside of the years 1 to 9999 UTC") from None


def encode_time(value: time) -> str:
    """Write a time of day as text of fixed width."""
    if value.tzinfo is not None:
        raise ValueError("expected a time without a time zone")
    return value.isoformat("microseconds")


def encode_interval(value: timedelta) -> int:
    """Count microseconds."""
    count = value // _MICROSECOND
    if not -_MAX_MICROSECONDS <= count <= _MAX_MICROSECONDS:
        raise ValueError("an interval over 292,000 years cannot be stored")
    return count


def decode_interval(value: int) -> timedelta:
    """Read a count of microseconds."""
    return timedelta(microseconds=value)


# -- UUIDs

encode_uuid: Encoder = attrgetter("bytes")
"""Write a UUID as its 16 bytes."""

_set_slot = object.__setattr__
_new_uuid = cast("Callable[[type[UUID]], UUID]", object.__new__)
_from_bytes = int.from_bytes
_unknown = SafeUUID.unknown


def decode_uuid(value: bytes) -> UUID:
    """Read 16 bytes. The constructor's checks are left out: the store's values are trusted."""
    result = _new_uuid(UUID)
    _set_slot(result, "int", _from_bytes(value, "big"))
    _set_slot(result, "is_safe", _unknown)
    return result


# -- enums


def enum_store_type(type_: EnumType) -> ColumnType:
    """Say what the members of an enum are kept as: their text, their number, or their name.

    A type of the store's own has labels, which are text.
    """
    values = [member.value for member in type_.enum_class]
    is_number = values and all(isinstance(v, int) and not isinstance(v, bool) for v in values)
    return Integer() if is_number and type_.native_name is None else Text()


def enum_labels(type_: EnumType) -> list[str]:
    """Give the texts that the members of an enum are kept as, in the enum's order."""
    encode = enum_encoder(type_)
    return [str(encode(member)) for member in type_.enum_class]


def enum_encoder(type_: EnumType) -> Encoder:
    """Give the function that turns a member into what is kept."""
    return attrgetter("name" if _kept_by_name(type_) else "value")


def enum_decoder(type_: EnumType) -> Decoder:
    """Give the function that finds the member again.

    It raises ValueError where the store holds what is no member.
    """
    enum_class = type_.enum_class
    by_name = _kept_by_name(type_)
    if issubclass(enum_class, enum.Flag) and not by_name:
        return enum_class
    members = {(m.name if by_name else m.value): m for m in enum_class}

    def decode(stored: object) -> enum.Enum:
        try:
            return members[stored]
        except KeyError:
            raise ValueError(f"the store holds no member of {enum_class.__name__}") from None

    return decode


def _kept_by_name(type_: EnumType) -> bool:
    if isinstance(enum_store_type(type_), Integer):
        return False
    return not all(isinstance(member.value, str) for member in type_.enum_class)


# -- JSON


def json_encoder(annotation: object, dumps: Callable[[Any], str] = _json.dumps) -> Encoder:
    """Give the function that writes a value of a type hint as JSON text.

    Args:
        annotation: the type hint.
        dumps: writes plain JSON.
    """
    unstructure = json_values.unstructurer(annotation)
    if unstructure is None:
        return dumps

    def encode(value: Any) -> str:
        return dumps(unstructure(value))

    return encode


def json_decoder(annotation: object) -> Decoder:
    """Give the function that reads JSON text as a value of a type hint."""
    structure = json_values.structurer(annotation)
    if structure is None:
        return _json.loads

    def decode(text: str | bytes) -> Any:
        return structure(_json.loads(text))

    return decode


# -- items of arrays and ranges, as JSON or text


def array_to_json(item: ColumnType, dumps: Callable[[Any], str] = _json.dumps) -> Encoder:
    """Give the function that writes a list of `item` as JSON text; `dumps` writes plain JSON."""
    encode = _item_codec(item)[0]

    def encode_array(values: Any) -> str:
        return dumps([None if v is None else encode(v) for v in values])

    return encode_array


def array_from_json(item: ColumnType) -> Decoder:
    """Give the function that reads JSON text as a list of `item`."""
    decode = _item_codec(item)[1]

    def decode_array(text: str | bytes) -> list[Any]:
        return [None if v is None else decode(v) for v in _json.loads(text)]

    return decode_array


def composite_to_json(type_: Composite, dumps: Callable[[Any], str] = _json.dumps) -> Encoder:
    """Give the function that writes a row of fields as JSON text; `dumps` writes plain JSON."""
    encode = _item_codec(type_)[0]
    return lambda value: dumps(encode(value))


def composite_from_json(type_: Composite) -> Decoder:
    """Give the function that reads JSON text as a row of fields."""
    decode = _item_codec(type_)[1]
    return lambda text: decode(_json.loads(text))


def range_to_text(item: ColumnType, encode: Encoder | None = None) -> Encoder:
    """Give the function that writes a `Range` as text, in its canonical form.

    So equal ranges have equal text.

    Args:
        item: what it ranges over.
        encode: writes a bound, if not as JSON has it.
    """
    encode = _item_codec(item)[0] if encode is None else encode

    def encode_range(value: Any) -> str:
        value = canonical_range(value, item)
        lower, upper, bounds = value.lower, value.upper, value.bounds
        if value == empty:
            return "empty"
        left = "" if lower is None else encode(lower)
        right = "" if upper is None else encode(upper)
        return f"{bounds[0]}{left},{right}{bounds[1]}"

    empty = empty_range(item)
    return encode_range


def range_from_text(item: ColumnType, empty: object = None) -> Decoder:
    """Give the function that reads the text of a range.

    Args:
        item: what it ranges over.
        empty: what stands for both bounds of the empty range, if not what the type says.
    """
    decode = _item_codec(item)[1]
    nothing = empty_range(item) if empty is None else Range(empty, empty)

    def decode_range(text: str) -> Range[Any]:
        if text == "empty":
            return nothing
        lower, _, upper = text[1:-1].partition(",")
        return Range(
            decode(_number(item, lower)) if lower else None,
            decode(_number(item, upper)) if upper else None,
            cast("Any", text[0] + text[-1]),
        )

    return decode_range


def _number(item: ColumnType, text: str) -> object:
    if isinstance(item, Integer):
        return int(text)
    if isinstance(item, Float):
        return float(text)
    return text.strip('"')


def _same(value: Any) -> Any:
    return value


def _item_codec(item: ColumnType) -> tuple[Encoder, Decoder]:
    """Give the functions between an item and what JSON holds for it."""
    make = _ITEMS.get(type(item))
    if make is None:
        raise MappingError(f"{type(item).__name__} cannot be an item of an array or a range")
    return make(item)


def _nested(item: ColumnType) -> tuple[Encoder, Decoder]:
    encode, decode = _item_codec(item)
    return (
        lambda values: [None if v is None else encode(v) for v in values],
        lambda values: [None if v is None else decode(v) for v in values],
    )


def _composite(class_: type[Any]) -> tuple[Encoder, Decoder]:
    fields = composite_fields(class_)
    read = composite_reader(class_)
    codecs = [_item_codec(field.type) for field in fields]

    def encode(value: Any) -> dict[str, Any]:
        triples = zip(fields, codecs, read(value), strict=True)
        return {f.name: None if item is None else codec[0](item) for f, codec, item in triples}

    def decode(document: Mapping[str, Any]) -> Any:
        items = {f: document.get(f.name) for f in fields}
        pairs = zip(items.items(), codecs, strict=True)
        return class_(
            **{f.argument: None if item is None else codec[1](item) for (f, item), codec in pairs}
        )

    return encode, decode


_ITEMS: Final[TypeTable[tuple[Encoder, Decoder]]] = {
    Integer: lambda _: (_same, _same),
    Boolean: lambda _: (_same, _same),
    Text: lambda _: (_same, _same),
    Float: lambda _: (encode_finite_float, float),
    Numeric: lambda t: (partial(decimal_text, scale=t.scale, precision=t.precision), Decimal),
    Uuid: lambda _: (str, UUID),
    Date: lambda _: (date.isoformat, date.fromisoformat),
    Time: lambda _: (encode_time, time.fromisoformat),
    DateTime: lambda t: (
        (encode_instant, decode_instant) if t.timezone else (encode_naive, datetime.fromisoformat)
    ),
    Interval: lambda _: (encode_interval, decode_interval),
    Binary: lambda t: (
        (bytearray.hex, bytearray.fromhex) if t.mutable else (bytes.hex, bytes.fromhex)
    ),
    IpAddress: lambda _: (str, ip.ip_address),
    IpInterface: lambda _: (str, ip.ip_interface),
    IpNetwork: lambda _: (str, ip.ip_network),
    EnumType: lambda t: (enum_encoder(t), enum_decoder(t)),
    Json: lambda t: (
        json_values.unstructurer(t.annotation) or _same,
        json_values.structurer(t.annotation) or _same,
    ),
    RangeType: lambda t: (range_to_text(t.item), range_from_text(t.item)),
    Composite: lambda t: _composite(t.class_),
    Array: lambda t: _nested(t.item),
}

# -- what SQLite and MySQL keep alike

SHARED_ENCODERS: Final[TypeTable[Encoder | None]] = {
    Integer: lambda _: None,
    Boolean: lambda _: None,
    Text: lambda _: None,
    Binary: lambda t: bytes if t.mutable else None,
    Interval: lambda _: encode_interval,
    Uuid: lambda _: encode_uuid,
    Json: lambda t: json_encoder(t.annotation),
    Array: lambda t: array_to_json(t.item),
    EnumType: enum_encoder,
    RangeType: lambda t: range_to_text(t.item),
    IpAddress: lambda _: str,
    IpInterface: lambda _: str,
    IpNetwork: lambda _: str,
    Composite: composite_to_json,
    Native: lambda t: t.encode,
}

SHARED_DECODERS: Final[TypeTable[Decoder | None]] = {
    Integer: lambda _: None,
    Boolean: lambda _: bool,
    Text: lambda _: None,
    Binary: lambda t: bytearray if t.mutable else None,
    Float: lambda _: None,
    Interval: lambda _: decode_interval,
    Uuid: lambda _: decode_uuid,
    Json: lambda t: json_decoder(t.annotation),
    Array: lambda t: array_from_json(t.item),
    EnumType: enum_decoder,
    RangeType: lambda t: range_from_text(t.item),
    IpAddress: lambda _: ip.ip_address,
    IpInterface: lambda _: ip.ip_interface,
    IpNetwork: lambda _: ip.ip_network,
    Composite: composite_from_json,
    Native: lambda t: t.decode,
}
